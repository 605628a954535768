//! Where the demo happens: a mount namespace, two network namespaces and a folder that nobody else has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use flyover_net::netns::Netns;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Directories in which Flyover and the plugins for addresses keep what they know; the demo has its own.
const STATE: [&str; 3] = ["/run/flyover", "/var/lib/flyover", "/var/lib/cni"];

/// A place of its own.
#[derive(Debug)]
pub(super) struct Private {
    folder: tempfile::TempDir,
    /// Directories of [`STATE`] that were not there before.
    made: Vec<PathBuf>,
    netns: String,
}

impl Private {
    /// Makes it, and goes there. The calling thread stays there.
    pub(super) fn enter() -> anyhow::Result<Self> {
        // Sockets have short paths, so the folder has too.
        let folder = tempfile::Builder::new().prefix("fo.").rand_bytes(4).tempdir_in("/tmp")?;
        let netns = format!("fo-demo-{}", std::process::id());
        Netns::create(&netns).context("failed to make a network namespace (are you root?)")?;
        let mut made = Vec::new();
        for directory in STATE.map(PathBuf::from) {
            if !directory.exists() {
                fs::create_dir_all(&directory)?;
                made.push(directory);
            }
        }
        unshare(CloneFlags::CLONE_NEWNS).context("failed to make a mount namespace")?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
        for directory in STATE {
            mount(Some("flyover-demo"), directory, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
        }
        Ok(Self { folder, made, netns })
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The network namespace of the switch.
    pub(super) fn netns(&self) -> &str {
        &self.netns
    }

    /// Ends it, and looks whether anything is left.
    pub(super) fn leave(self) -> anyhow::Result<()> {
        let path = self.folder().to_owned();
        let processes = mentioning(&path);
        let mounts: Vec<String> = fs::read_to_string("/proc/self/mounts")?
            .lines()
            .filter(|line| line.contains(&path.display().to_string()))
            .map(str::to_owned)
            .collect();
        let hollow = Netns::named(&self.netns).is_ok();
        Netns::delete(&self.netns)?;
        for directory in &self.made {
            nix::mount::umount(directory)?;
            // One that is no longer empty is somebody's by now.
            let _ = fs::remove_dir(directory);
        }
        self.folder.close()?;
        ensure!(hollow, "the network namespace {} was taken away by somebody", self.netns);
        ensure!(processes.is_empty(), "processes are left: {}", processes.join(", "));
        ensure!(mounts.is_empty(), "mounts are left: {}", mounts.join(", "));
        Ok(())
    }
}

/// Processes whose command line names a path.
fn mentioning(path: &Path) -> Vec<String> {
    let path = path.display().to_string();
    let numbers = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let lines = numbers.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&path))
        .collect()
}
