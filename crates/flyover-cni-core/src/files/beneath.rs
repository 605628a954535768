//! A directory that was opened, and what lies directly below it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchown};
use serde::{Deserialize, Serialize};

use crate::failpoint;

/// How often a path is tried that somebody changes meanwhile.
const PATIENCE: usize = 1000;

/// A file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    /// The file system.
    pub device: u64,
    /// The file.
    pub number: u64,
}

/// A directory that was opened.
#[derive(Debug)]
pub struct Beneath {
    fd: OwnedFd,
    path: PathBuf,
}

impl Beneath {
    /// Opens a directory that the node's configuration names.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = libc::O_DIRECTORY;
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Self { fd: file.into(), path: path.to_owned() })
    }

    /// The same, made first if it is not there.
    pub fn make(path: &Path, mode: u32, group: u32) -> io::Result<Self> {
        match Self::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        failpoint::before("make a directory of the node");
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        let made = Self::open(path)?;
        made.own(mode, group)?;
        Ok(made)
    }

    /// Opens a directory below, one component after the other.
    pub fn below(&self, path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        Ok(Self { fd: self.resolve(path, flags, ResolveFlag::empty())?, path: self.path.join(path) })
    }

    /// Opens a directory below that no mount covers.
    pub fn uncovered(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let path = Path::new(name);
        Ok(Self { fd: self.resolve(path, flags, ResolveFlag::RESOLVE_NO_XDEV)?, path: self.path.join(path) })
    }

    /// Whether something is mounted on a directory below.
    pub fn is_covered(&self, name: &OsStr) -> io::Result<bool> {
        match self.resolve(Path::new(name), OFlag::O_PATH | OFlag::O_NOFOLLOW, ResolveFlag::RESOLVE_NO_XDEV) {
            Ok(_) => Ok(false),
            Err(e) if e.raw_os_error() == Some(libc::EXDEV) => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Makes a directory below, if it is not there, and opens it. One that is there must be root's.
    pub fn make_below(&self, name: &OsStr, mode: u32, group: u32) -> io::Result<Self> {
        match self.below(Path::new(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
            Ok(there) => return there.of_root(),
        }
        failpoint::before("make a directory");
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o700)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e.into()),
        }
        let made = self.below(Path::new(name))?.of_root()?;
        made.own(mode, group)?;
        Ok(made)
    }

    fn of_root(self) -> io::Result<Self> {
        let owner = std::fs::File::from(self.fd.try_clone()?).metadata()?.uid();
        if owner == nix::unistd::geteuid().as_raw() {
            return Ok(self);
        }
        Err(io::Error::other(format!("the directory is there already, and user {owner}'s")))
    }

    /// Gives it a mode and a group.
    pub fn own(&self, mode: u32, group: u32) -> io::Result<()> {
        fchown(&self.fd, None::<Uid>, Some(Gid::from_raw(group)))?;
        fchmod(&self.fd, Mode::from_bits_truncate(mode))?;
        Ok(())
    }

    /// Gives it what it lacks of a mode, if it lacks something: what is there already may be of a stricter hand.
    pub fn let_pass(&self, least: u32) -> io::Result<()> {
        let mode = fstat(&self.fd)?.st_mode & 0o7777;
        if mode & least != least {
            fchmod(&self.fd, Mode::from_bits_truncate(mode | least))?;
        }
        Ok(())
    }

    /// Gives it a group.
    pub fn give_to(&self, group: u32) -> io::Result<()> {
        fchown(&self.fd, None::<Uid>, Some(Gid::from_raw(group)))?;
        Ok(())
    }

    /// Opens what is below without following it.
    pub fn resolve(&self, path: &Path, flags: OFlag, more: ResolveFlag) -> io::Result<OwnedFd> {
        if path.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | more;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        // The kernel gives up when somebody renames on the way; whoever does so without end gets nothing.
        for _ in 0..PATIENCE {
            match openat2(&self.fd, path, how) {
                Err(Errno::EAGAIN) => {}
                opened => return Ok(opened?),
            }
        }
        Err(Errno::EAGAIN.into())
    }

    /// Which file it is.
    pub fn inode(&self) -> io::Result<Inode> {
        inode_of(self.fd.as_fd())
    }

    /// Which file a thing below is, if it is there.
    pub fn inode_below(&self, name: &OsStr) -> io::Result<Option<Inode>> {
        match self.resolve(Path::new(name), OFlag::O_PATH | OFlag::O_NOFOLLOW, ResolveFlag::empty()) {
            Ok(fd) => inode_of(fd.as_fd()).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The names of what lies below.
    pub fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    /// By which path it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Beneath {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn inode_of(fd: BorrowedFd<'_>) -> io::Result<Inode> {
    let stat = fstat(fd)?;
    Ok(Inode { device: stat.st_dev, number: stat.st_ino })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_symbolic_link_is_followed_and_nothing_above_is_reached() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        symlink("a", root.path().join("link")).unwrap();
        symlink("/", root.path().join("a/slash")).unwrap();
        let top = Beneath::open(root.path()).unwrap();
        assert!(top.below(Path::new("a/b")).is_ok());
        for bad in ["link", "link/b", "a/slash", "a/slash/etc", "..", "a/..", "/etc", "./a"] {
            assert!(top.below(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_no_directory() {
        let root = tempfile::tempdir().unwrap();
        symlink("/tmp", root.path().join("taken")).unwrap();
        let top = Beneath::open(root.path()).unwrap();
        assert!(top.make_below(OsStr::new("taken"), 0o750, nix::unistd::getegid().as_raw()).is_err());
    }

    #[test]
    fn making_a_directory_twice_is_making_it_once() {
        let root = tempfile::tempdir().unwrap();
        let top = Beneath::open(root.path()).unwrap();
        let group = nix::unistd::getegid().as_raw();
        let once = top.make_below(OsStr::new("a"), 0o750, group).unwrap().inode().unwrap();
        let twice = top.make_below(OsStr::new("a"), 0o750, group).unwrap().inode().unwrap();
        assert_eq!(once, twice);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(root.path().join("a")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o7777, 0o750);
    }
}
