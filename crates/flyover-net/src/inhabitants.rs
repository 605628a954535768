//! Processes that live in a network namespace.
//!
//! A name taken away does not end a namespace while a process lives in it, so teardown ends those first.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::netns::{Netns, NetnsError};

/// How long a killed process may take to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The processes that live in a namespace, without the calling one.
pub fn inhabitants(netns: &Netns) -> Result<Vec<Pid>, NetnsError> {
    let Ok(entries) = fs::read_dir("/proc") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw)
        else {
            continue;
        };
        // A process that ended meanwhile, and a kernel thread, have no namespace to show.
        let Ok(theirs) = Netns::at(&Path::new("/proc").join(pid.to_string()).join("ns/net")) else {
            continue;
        };
        if pid != Pid::this() && theirs.same_as(netns)? {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Kills the processes that live in a namespace and waits until they are gone; tells which they were.
pub fn evict(netns: &Netns) -> Result<Vec<Pid>, NetnsError> {
    let deadline = Instant::now() + PATIENCE;
    let mut killed = Vec::new();
    loop {
        let living = inhabitants(netns)?;
        if living.is_empty() || Instant::now() > deadline {
            return Ok(killed);
        }
        for pid in living {
            match kill(pid, Signal::SIGKILL) {
                Ok(()) if !killed.contains(&pid) => killed.push(pid),
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => tracing::warn!(%pid, %error, "failed to kill a process"),
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}
