//! One FastPath of a node: its name, the places it keeps things in, and the lock that makes it the only one.
//!
//! Invariant: everything the instance leaves on the machine is below its two directories, or is written down in
//! `restore.json` before it is changed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// What must be put back when the instance is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Value of `nf_conntrack_tcp_be_liberal` before we set it.
    pub tcp_be_liberal: Option<String>,
    /// Whether we mounted the BPF file system.
    pub mounted_bpffs: bool,
    /// Whether we turned `/sys/kernel/rcu_expedited` on and not off again.
    #[serde(default)]
    pub rcu_expedited: bool,
    /// Whether we made an nftables table.
    #[serde(default)]
    pub nft_table: bool,
}

/// What is wrong with the places of an instance.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The name cannot be a directory's.
    #[error("`{0}` is not an instance name (1 to 32 letters, digits, `-`, `_` or `.`)")]
    BadName(String),
    /// Another process holds it.
    #[error("instance `{name}` is run by process {pid} already")]
    Taken {
        /// The name.
        name: String,
        /// Who runs it.
        pid: String,
    },
    /// The BPF file system cannot be used.
    #[error("no BPF file system at `{path}`")]
    NoBpffs {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The BPF file system is there, and nothing can be made in it.
    #[error("the BPF file system at `{path}` cannot be used")]
    BadBpffs {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused.
    #[error("failed to {verb} `{path}`")]
    System {
        /// What was attempted.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

pub(crate) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstanceError {
    let path = path.to_owned();
    move |source| InstanceError::System { verb, path, source }
}

/// An instance's name and places.
#[derive(Clone, Debug)]
pub struct Instance {
    name: String,
    bpffs: PathBuf,
    pins: PathBuf,
    run: PathBuf,
}

/// The right to be the one process of an instance; gone with the process.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

impl Instance {
    /// The instance of that name below `root` (`/` on a node).
    pub fn new(root: &Path, name: &str) -> Result<Self, InstanceError> {
        let fits = (1..=32).contains(&name.len()) && name != "." && name != "..";
        if !fits || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(InstanceError::BadName(name.to_owned()));
        }
        // The BPF file system is the kernel's: there is one place for it, whatever the root is.
        let bpffs = PathBuf::from("/sys/fs/bpf");
        let pins = bpffs.join("flyover").join(name);
        Ok(Self { name: name.to_owned(), bpffs, pins, run: root.join("run/flyover/fastpath").join(name) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a map of that name is pinned.
    #[must_use]
    pub fn map_pin(&self, map: &str) -> PathBuf {
        self.pins.join("maps").join(map)
    }

    pub(crate) fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    pub(crate) fn pins(&self) -> &Path {
        &self.pins
    }

    pub(crate) fn maps(&self) -> PathBuf {
        self.pins.join("maps")
    }

    pub(crate) fn links(&self) -> PathBuf {
        self.pins.join("links")
    }

    /// Where the process writes what it knows, for `status` and `why`.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.run.join("status.json")
    }

    /// Where it keeps its files.
    pub(crate) fn run_dir(&self) -> &Path {
        &self.run
    }

    fn restore_file(&self) -> PathBuf {
        self.run.join("restore.json")
    }

    fn lock_file(&self) -> PathBuf {
        self.run.join("lock")
    }

    /// Whether anything of it is on the machine.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.run.exists() || self.pins.exists()
    }

    /// Makes the directory of its files, and takes the lock.
    pub fn lock(&self) -> Result<Lock, InstanceError> {
        make_private(&self.run)?;
        let path = self.lock_file();
        let file =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(failed("open", &path))?;
        let mut held = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            InstanceError::Taken { name: self.name.clone(), pid: self.holder().unwrap_or_else(|| "?".into()) }
        })?;
        held.set_len(0)
            .and_then(|()| write!(held, "{}", std::process::id()))
            .map_err(failed("write", &path))?;
        Ok(Lock(held))
    }

    /// The process that runs it, if one does.
    #[must_use]
    pub fn holder(&self) -> Option<String> {
        let mut file = File::open(self.lock_file()).ok()?;
        let mut pid = String::new();
        file.read_to_string(&mut pid).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => None,
            Err(_) => Some(pid.trim().to_owned()),
        }
    }

    /// Whether that process has the lock's file open. Who runs elsewhere, in a container, may know the holder by
    /// another number, and here it may be anybody's.
    pub(crate) fn is_held_by(&self, pid: &str) -> bool {
        let file = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        let (Some(lock), Ok(open)) = (file(&self.lock_file()), fs::read_dir(format!("/proc/{pid}/fd")))
        else {
            return false;
        };
        open.filter_map(Result::ok).any(|fd| file(&fd.path()) == Some(lock))
    }

    /// Whether the BPF file system is there. One that is not can be mounted, or that is an error.
    pub(crate) fn bpffs_is_there(&self) -> Result<bool, InstanceError> {
        let there = is_bpffs(&self.bpffs)?;
        if there {
            check_usable(&self.bpffs)?;
        }
        Ok(there)
    }

    /// Makes the directories of its pins, and mounts the file system where it is not.
    pub fn make_pins(&self) -> Result<(), InstanceError> {
        mount_bpffs(&self.bpffs)?;
        for dir in [self.bpffs.join("flyover"), self.pins.clone(), self.maps(), self.links()] {
            make_private(&dir)?;
        }
        Ok(())
    }

    /// What is to be put back when it is removed.
    pub fn restore(&self) -> Result<Restore, InstanceError> {
        let path = self.restore_file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| failed("read", &path)(e.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Restore::default()),
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    /// Writes it down, before the change.
    pub fn remember(&self, restore: &Restore) -> Result<(), InstanceError> {
        let json = serde_json::to_vec_pretty(restore).expect("plain data serialises");
        write_whole(&self.restore_file(), &json)
    }

    /// Takes away its directories; the parents too if they are empty now.
    pub fn erase(&self, unmount: bool) -> Result<(), InstanceError> {
        erase(&self.pins)?;
        self.erase_files()?;
        // Names with a dot are the kernel's own (`maps.debug`): nobody else can make any.
        let is_a_pin = |entry: io::Result<fs::DirEntry>| {
            !entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains('.'))
        };
        let empty = fs::read_dir(&self.bpffs).is_ok_and(|mut entries| !entries.any(is_a_pin));
        if unmount && empty && is_bpffs(&self.bpffs)? {
            nix::mount::umount(&self.bpffs).map_err(|e| failed("unmount", &self.bpffs)(e.into()))?;
        }
        Ok(())
    }

    /// Takes away the directory of its files alone.
    pub(crate) fn erase_files(&self) -> Result<(), InstanceError> {
        erase(&self.run)
    }
}

fn erase(dir: &Path) -> Result<(), InstanceError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", dir)(e)),
        _ => {}
    }
    let mut parent = dir.parent();
    // A parent that still holds another instance stays: that is the error we expect here.
    while let Some(p) = parent.filter(|p| p.ends_with("flyover") || p.ends_with("fastpath")) {
        if fs::remove_dir(p).is_err() {
            break;
        }
        parent = p.parent();
    }
    Ok(())
}

/// Writes a file so that a reader sees the old or the new one, never half.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), InstanceError> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        fs::rename(&fresh, path)
    };
    write().map_err(failed("write", path))
}

fn make_private(dir: &Path) -> Result<(), InstanceError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create", dir))?;
    let meta = fs::metadata(dir).map_err(failed("stat", dir))?;
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed("protect", dir))?;
    }
    Ok(())
}

fn is_bpffs(at: &Path) -> Result<bool, InstanceError> {
    let no_bpffs = |source| InstanceError::NoBpffs { path: at.to_owned(), source };
    let found = nix::sys::statfs::statfs(at).map_err(|e| no_bpffs(e.into()))?;
    if !at.is_dir() {
        return Err(no_bpffs(io::ErrorKind::NotADirectory.into()));
    }
    Ok(found.filesystem_type() == nix::sys::statfs::BPF_FS_MAGIC)
}

fn check_usable(at: &Path) -> Result<(), InstanceError> {
    use nix::unistd::AccessFlags;
    nix::unistd::eaccess(at, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|e| InstanceError::BadBpffs { path: at.to_owned(), source: e.into() })
}

fn mount_bpffs(at: &Path) -> Result<(), InstanceError> {
    if is_bpffs(at)? {
        check_usable(at)?;
        return Ok(());
    }
    nix::mount::mount(Some("bpf"), at, Some("bpf"), nix::mount::MsFlags::empty(), Some("mode=0700"))
        .map_err(|e| InstanceError::NoBpffs { path: at.to_owned(), source: e.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for bad in ["", ".", "..", "a/b", "a b", "123456789012345678901234567890123"] {
            assert!(Instance::new(Path::new("/"), bad).is_err(), "{bad:?}");
        }
        assert!(Instance::new(Path::new("/"), "lab-n1").is_ok());
    }

    #[test]
    fn only_one_process_may_run_an_instance() {
        let root = std::env::temp_dir().join(format!("fo-instance-{}", std::process::id()));
        let instance = Instance::new(&root, "x").unwrap();
        let held = instance.lock().unwrap();
        assert_eq!(instance.holder(), Some(std::process::id().to_string()));
        assert!(matches!(instance.lock(), Err(InstanceError::Taken { .. })));
        drop(held);
        assert_eq!(instance.holder(), None);
        fs::remove_dir_all(root).unwrap();
    }
}
