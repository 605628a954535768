//! Out of the pod's mounts, into the host's.
//!
//! The libraries below change the host by the host's own paths and programs, as the command line does. So the agent enters
//! the mount namespace of the host's first process once, before it has a second thread: the kernel moves none that shares its
//! directories with another. What it needs of its own pod it opens before: a descriptor leads to where it was opened.
//!
//! Invariant: nothing is read by a path of the pod after [`enter`].

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;

/// Why the host's mounts cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum HostnsError {
    /// A directory of the pod's own cannot be opened.
    #[error("failed to open `{path}` of the agent's own pod")]
    Kept {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The namespace cannot be opened.
    #[error("failed to open `{path}`\n  hint: the pod needs hostPID and the capability SYS_PTRACE")]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be entered.
    #[error("failed to enter `{path}`\n  hint: the pod needs the capabilities SYS_ADMIN and SYS_CHROOT")]
    Enter {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A directory that was opened before, by a path that leads to it wherever this process is.
#[derive(Debug)]
pub struct Kept {
    descriptor: OwnedFd,
}

impl Kept {
    /// Opens it where it is now.
    pub fn open(path: &Path) -> Result<Self, HostnsError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = open(path, flags, Mode::empty());
        let failed = |source: nix::Error| HostnsError::Kept { path: path.to_owned(), source: source.into() };
        Ok(Self { descriptor: opened.map_err(failed)? })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.descriptor.as_raw_fd()))
    }
}

/// Enters the mounts of the process whose directory in `/proc` is given; the host's first is `/proc/1`. And its view of
/// control groups: only from there a process can be moved out of the pod's.
pub fn enter(process: &Path) -> Result<(), HostnsError> {
    let open = |name: &str| {
        let path = process.join("ns").join(name);
        let file = File::open(&path).map_err(|source| HostnsError::Open { path: path.clone(), source })?;
        Ok((path, file))
    };
    let all = [(open("cgroup")?, CloneFlags::CLONE_NEWCGROUP), (open("mnt")?, CloneFlags::CLONE_NEWNS)];
    for ((path, namespace), kind) in all {
        setns(namespace, kind).map_err(|source| HostnsError::Enter { path, source: source.into() })?;
    }
    Ok(())
}

#[cfg(test)]
mod root {
    use std::time::Duration;

    use flyover_host::cmd::Cmd;
    use flyover_testkit::process::Process;

    use super::*;

    /// Prints what is at two paths once it has entered the mounts of another process: a thread of a test has too many beside
    /// it, so a process is started for it.
    #[test]
    fn what_was_opened_before_is_within_reach_in_the_mounts_of_another() {
        if let Some(process) = std::env::var_os("FLYOVER_TEST_ENTER") {
            let kept = Kept::open(Path::new(&std::env::var("FLYOVER_TEST_KEPT").unwrap())).unwrap();
            // The harness has threads; what is asked of the kernel is the same for one that left them.
            nix::sched::unshare(CloneFlags::CLONE_FS).unwrap();
            enter(Path::new(&process)).unwrap();
            let theirs = std::fs::read_to_string("/mnt/whose").unwrap();
            let ours = std::fs::read_to_string(kept.path().join("token")).unwrap();
            return println!("entered: {theirs} {ours}");
        }
        let pod = tempfile::tempdir().unwrap();
        std::fs::write(pod.path().join("token"), "secret").unwrap();
        // Another mount namespace, in which there is something that is nowhere else.
        let script = "mount -t tmpfs none /mnt && printf theirs > /mnt/whose && echo ready && exec sleep 60";
        let command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script];
        let log = pod.path().join("log");
        let mut other = Process::start("other", &command.map(str::to_owned), None, &log).unwrap();
        let ready = || Ok(std::fs::read_to_string(&log)?.contains("ready"));
        other.until("mounted", Duration::from_secs(20), ready).unwrap();
        let name = "hostns::root::what_was_opened_before_is_within_reach_in_the_mounts_of_another";
        let said = Cmd::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("FLYOVER_TEST_ENTER", format!("/proc/{}", other.id()))
            .env("FLYOVER_TEST_KEPT", pod.path())
            .run()
            .unwrap();
        assert!(said.contains("entered: theirs secret"), "{said}");
    }
}
