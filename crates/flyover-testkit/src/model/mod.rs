//! A host that is a directory: behaves as kernel, systemd and boot loader do, as far as the spine can tell.
//!
//! Invariants: all its state is in its tree, so that two hosts can be compared and one be copied; every change is
//! counted, and at any of them the host can be made to crash or to fail.

mod boot;
mod kernel;
mod pci;
mod proc;
mod setup;
mod shell;
mod start;
mod systemd;
mod tables;
mod tree;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flyover_core::HostPath;
use flyover_core::facts::Loader;
use flyover_host::cmd::CmdError;
use flyover_host::root::{HostRoot, Outside};
use tempfile::TempDir;

pub use setup::{BootKind, Hardware, Nic};
pub use tree::{Node, Tree};

/// A host that is a directory.
pub struct Model {
    home: TempDir,
    machine: Arc<Machine>,
}

/// What ended a run in [`Model::until_crash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashed;

struct Machine {
    hardware: Hardware,
    changes: AtomicU64,
    crash_at: AtomicU64,
    fail_at: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Model {
    /// A host in the state in which a person left it.
    pub fn new(hardware: Hardware) -> io::Result<Self> {
        let home = home()?;
        setup::build(&home.path().join("root"), &hardware)?;
        let model = Self { home, machine: Arc::new(Machine::new(hardware)) };
        // What a reboot brings back.
        tree::copy(&model.root(), &model.home.path().join("pristine"))?;
        Ok(model)
    }

    /// Another host in the same state.
    pub fn copy(&self) -> io::Result<Self> {
        let home = home()?;
        tree::copy(self.home.path(), home.path())?;
        Ok(Self { home, machine: Arc::new(Machine::new(self.machine.hardware.clone())) })
    }

    /// The host, for hands.
    #[must_use]
    pub fn host(&self) -> HostRoot {
        HostRoot::new(self.root(), Arc::clone(&self.machine) as Arc<dyn Outside>)
    }

    /// Where its root is.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    /// What writes its command line.
    #[must_use]
    pub fn loader(&self) -> Loader {
        self.machine.hardware.boot.loader()
    }

    /// Everything but our own state.
    pub fn tree(&self) -> io::Result<Tree> {
        Tree::of(&self.root())
    }

    /// How many changes were made since the last [`Model::at_ease`].
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.machine.changes.load(Ordering::SeqCst)
    }

    /// Counts from zero again; nothing crashes or fails.
    pub fn at_ease(&self) {
        self.machine.changes.store(0, Ordering::SeqCst);
        self.machine.crash_at.store(NEVER, Ordering::SeqCst);
        self.machine.fail_at.store(NEVER, Ordering::SeqCst);
    }

    /// Runs until its end, or until just before the n-th change, counted from zero.
    pub fn until_crash<T>(&self, n: u64, run: impl FnOnce() -> T) -> Result<T, Crashed> {
        self.at_ease();
        self.machine.crash_at.store(n, Ordering::SeqCst);
        let ended = catch_unwind(AssertUnwindSafe(run));
        self.at_ease();
        ended.map_err(|thrown| if thrown.is::<Crashed>() { Crashed } else { resume_unwind(thrown) })
    }

    /// Lets the n-th change fail, counted from zero.
    pub fn fail_at(&self, n: u64) {
        self.at_ease();
        self.machine.fail_at.store(n, Ordering::SeqCst);
    }

    /// The power comes back after a cut, or a reboot ends.
    pub fn boot(&self) -> io::Result<()> {
        self.machine.boot(&self.root())
    }
}

/// In memory where that can be, for every change is synced.
fn home() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

impl Machine {
    fn new(hardware: Hardware) -> Self {
        Self { hardware, changes: 0.into(), crash_at: NEVER.into(), fail_at: NEVER.into() }
    }

    /// One change, which may be the one that crashes or fails.
    fn tick(&self) -> io::Result<()> {
        let n = self.changes.fetch_add(1, Ordering::SeqCst);
        if n == self.crash_at.load(Ordering::SeqCst) {
            resume_unwind(Box::new(Crashed));
        }
        if n == self.fail_at.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        Ok(())
    }
}

impl Outside for Machine {
    fn write_attribute(&self, root: &Path, path: &HostPath, value: &str) -> io::Result<()> {
        self.attribute(root, path.as_str(), value)
    }

    fn run(&self, root: &Path, program: &str, args: &[&str], _limit: Duration) -> Result<String, CmdError> {
        let done = match program {
            "systemctl" => self.systemctl(root, args),
            "modprobe" => self.modprobe(root, args),
            "mount" | "umount" => self.mount(root, program, args),
            "ip" => self.ip(root, args),
            "update-grub" | "grub2-mkconfig" | "grub-mkconfig" => self.make_grub_config(root),
            "grubby" => self.grubby(root, args),
            "udevadm" => Ok(String::new()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let command = format!("{program} {}", args.join(" "));
        done.map_err(|e| CmdError::Failed {
            command,
            status: std::os::unix::process::ExitStatusExt::from_raw(1 << 8),
            stderr: e.to_string(),
        })
    }

    fn before_change(&self, _what: &str) -> io::Result<()> {
        self.tick()
    }
}

fn other(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

fn at(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
