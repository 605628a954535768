//! Our sockets in kubelet's directory.
//!
//! Invariants: no two processes ever have the same name; a socket is removed by who made it, as long as it is the one
//! they made, or by anyone when nobody listens on it any more.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::error::KubeletError;
use crate::name::ResourceName;

const PREFIX: &str = "flyover-";
const SUFFIX: &str = ".sock";
/// So much of a resource's name is part of its socket's, for people.
const SHOWN: usize = 24;
/// Between the making of a socket and listening on it there is less.
const A_MOMENT: Duration = Duration::from_secs(1);
/// The longest path of a socket, and of a name in it.
const LONGEST_PATH: usize = 107;
const LONGEST_NAME: usize = PREFIX.len() + SHOWN + "-".len() + 8 + SUFFIX.len();

/// What tells a socket from the next one by the same name. Numbers of inodes are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

impl Identity {
    /// Of what is at a path now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino(), made: (found.mtime(), found.mtime_nsec()) })
    }
}

/// A socket that we listen on. Nobody does any more when it is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    identity: Identity,
    accepting: AbortHandle,
}

impl Socket {
    /// Listens; whoever connects is handed on.
    pub(crate) fn listen(path: PathBuf, to: mpsc::Sender<UnixStream>) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        let identity = Identity::of(&path)?;
        let accepting = tokio::spawn(accept(listener, to)).abort_handle();
        Ok(Self { path, identity, accepting })
    }

    /// Whether it can still be found by its name.
    pub(crate) fn stands(&self) -> bool {
        Identity::of(&self.path).is_ok_and(|found| found == self.identity)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.accepting.abort();
        if self.stands()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a socket of ours is left behind");
        }
    }
}

async fn accept(listener: UnixListener, to: mpsc::Sender<UnixStream>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if to.send(stream).await.is_err() {
                    return;
                }
            }
            // Out of descriptors, most likely: others will be closed meanwhile.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Refuses a directory whose sockets could not be connected to.
pub(crate) fn check(directory: &Path) -> Result<(), KubeletError> {
    let longest = LONGEST_PATH - LONGEST_NAME - "/".len();
    if directory.as_os_str().len() > longest {
        return Err(KubeletError::LongDirectory { directory: directory.to_owned(), longest });
    }
    Ok(())
}

/// A name for a resource's socket that nobody else has. Numbers of processes would not do: in containers all are 1.
pub(crate) fn name(resource: &ResourceName) -> String {
    // Seeded by the system for each process.
    let unique = RandomState::new().hash_one(resource) & 0xffff_ffff;
    format!("{}{unique:08x}{SUFFIX}", stem(resource))
}

/// What all sockets of a resource begin with. Long names may share it.
pub(crate) fn stem(resource: &ResourceName) -> String {
    let shown: String = resource.short().chars().take(SHOWN).collect();
    format!("{PREFIX}{shown}-")
}

/// The names of all sockets of ours in a directory, whichever process they belong to.
pub(crate) fn ours_in(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    let sockets = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    let names = sockets.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)).collect()
}

/// Removes those sockets that nobody listens on. Their makers need a moment to begin, so each is asked twice.
pub(crate) async fn sweep(sockets: Vec<PathBuf>) {
    let mut dead = refusing(sockets).await;
    if !dead.is_empty() {
        sleep(A_MOMENT).await;
        dead = refusing(dead).await;
    }
    for path in dead {
        if fs::remove_file(&path).is_ok() {
            tracing::info!(path = %path.display(), "removed the socket of a plugin that is dead");
        }
    }
}

/// Those that nobody listens on. One that is slow to accept is alive.
async fn refusing(sockets: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut refusing = Vec::new();
    for path in sockets {
        let connected = timeout(A_MOMENT, UnixStream::connect(&path)).await;
        if matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused) {
            refusing.push(path);
        }
    }
    refusing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_unique_and_tells_people_whose_it_is() {
        let resource: ResourceName = format!("flyover.dev/switch-{}", "b".repeat(56)).parse().unwrap();
        let (one, other) = (name(&resource), name(&resource));
        assert_eq!(one.len(), LONGEST_NAME);
        assert_ne!(one, other);
        assert!(one.starts_with("flyover-switch-bbbbbbbbbbbbbbbbb-") && one.ends_with(".sock"), "{one}");
    }

    #[test]
    fn a_directory_whose_sockets_nobody_could_reach_is_refused() {
        check(Path::new(crate::DEVICE_PLUGINS)).unwrap();
        check(Path::new(&"d".repeat(60))).unwrap();
        let error = check(Path::new(&"d".repeat(61))).unwrap_err().to_string();
        assert!(error.ends_with(
            "is too long for the directory of a socket: 60 bytes at most\n  hint: mount kubelet's directory at a shorter path"
        ));
    }
}
