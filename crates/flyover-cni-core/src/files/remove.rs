//! What is removed of a directory that others could write to.
//!
//! Invariants: nothing is followed, no mount is crossed, and a file that is not the one we made stays.

use std::ffi::OsStr;
use std::io;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::beneath::{Beneath, Inode};
use crate::failpoint;

/// How deep a directory of sockets may be before somebody is playing with us.
const DEEPEST: usize = 8;

/// Removes a directory of ours with all that is in it.
pub fn remove_tree(parent: &Beneath, name: &OsStr) -> io::Result<()> {
    remove(parent, name, DEEPEST)
}

/// Removes a file below a directory, if it is the one that is meant.
pub fn unlink_if(parent: &Beneath, name: &OsStr, inode: Inode) -> io::Result<()> {
    if parent.inode_below(name)? != Some(inode) {
        return Ok(());
    }
    failpoint::before("remove a socket");
    gone(unlinkat(parent, name, UnlinkatFlags::NoRemoveDir))
}

fn remove(parent: &Beneath, name: &OsStr, deepest: usize) -> io::Result<()> {
    let directory = match parent.uncovered(name) {
        Ok(directory) => directory,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in directory.names()? {
        failpoint::before("remove a file");
        match unlinkat(&directory, entry.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) if deepest > 0 => remove(&directory, &entry, deepest - 1)?,
            done => gone(done)?,
        }
    }
    failpoint::before("remove a directory");
    gone(unlinkat(parent, name, UnlinkatFlags::RemoveDir))
}

fn gone(done: nix::Result<()>) -> io::Result<()> {
    match done {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        std::fs::create_dir_all(at("ours/deep")).unwrap();
        std::fs::create_dir_all(at("theirs")).unwrap();
        std::fs::write(at("theirs/file"), "x").unwrap();
        std::fs::write(at("ours/deep/file"), "x").unwrap();
        symlink(at("theirs"), at("ours/link")).unwrap();
        nix::unistd::mkfifo(&at("ours/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let top = Beneath::open(root.path()).unwrap();
        remove_tree(&top, OsStr::new("ours")).unwrap();
        remove_tree(&top, OsStr::new("ours")).unwrap();
        assert!(!at("ours").exists());
        assert!(at("theirs/file").exists());
    }

    #[test]
    fn a_file_of_the_same_name_that_is_another_stays() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("s"), "ours").unwrap();
        let top = Beneath::open(root.path()).unwrap();
        let inode = top.inode_below(OsStr::new("s")).unwrap().unwrap();
        std::fs::write(root.path().join("t"), "theirs").unwrap();
        std::fs::rename(root.path().join("t"), root.path().join("s")).unwrap();
        unlink_if(&top, OsStr::new("s"), inode).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("s")).unwrap(), "theirs");
    }
}
