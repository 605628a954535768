//! Sees what happens in kubelet's directory: a kubelet that starts empties it and makes its socket anew.
//!
//! It is told by inotify, and looks for itself now and then: a watch may be refused, and ends with its directory. What inotify
//! says is not read closely, since one look tells more. Kubelet's own books, in the same directory, cost a look each time.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::socket::{self, Identity};

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Kubelet's socket.
    pub(crate) kubelet: Option<Identity>,
    /// The names of sockets of plugins of ours, whichever process they belong to.
    pub(crate) plugins: BTreeSet<String>,
    /// How often was looked. Each time, whoever has a socket in there looks after it.
    pub(crate) looks: u64,
}

/// Kubelet's socket.
pub(crate) fn kubelet(directory: &Path) -> PathBuf {
    directory.join("kubelet.sock")
}

/// Looks for ever, whenever something changed and at least so often.
pub(crate) async fn look(directory: PathBuf, each: Duration, told: watch::Sender<Sight>) {
    let notes = Notes::begin();
    if let Err(error) = &notes {
        tracing::warn!(%error, "kubelet's directory is only looked at now and then");
    }
    loop {
        // The watch comes first, so that what happens after the look is told.
        let watched = notes.as_ref().ok().filter(|notes| notes.watch(&directory).is_ok());
        let kubelet = Identity::of(&kubelet(&directory)).ok();
        let plugins = socket::ours_in(&directory);
        told.send_modify(|sight| *sight = Sight { kubelet, plugins, looks: sight.looks + 1 });
        let changed = async {
            match watched {
                Some(notes) => notes.changed().await,
                None => std::future::pending().await,
            }
        };
        // That the time is up is as good a reason to look.
        let _ = timeout(each, changed).await;
    }
}

/// What the kernel notes.
struct Notes {
    inotify: Inotify,
    /// The same descriptor: tokio can wait for whatever is read like a pipe.
    reader: pipe::Receiver,
}

impl Notes {
    fn begin() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let reader = pipe::Receiver::from_owned_fd_unchecked(inotify.as_fd().try_clone_to_owned()?)?;
        Ok(Self { inotify, reader })
    }

    /// Watches what is at the path. For a directory that is watched already nothing changes, and another one by the same
    /// name is watched from now on.
    fn watch(&self, directory: &Path) -> io::Result<()> {
        let entries = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVE;
        let itself = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        self.inotify.add_watch(directory, entries | itself | AddWatchFlags::IN_ONLYDIR)?;
        Ok(())
    }

    /// Waits until something changed since the last time.
    async fn changed(&self) {
        let mut bytes = [0; 4096];
        let mut any = false;
        while !any && self.reader.readable().await.is_ok() {
            while self.reader.try_read(&mut bytes).is_ok_and(|count| count > 0) {
                any = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use tokio::time::Instant;

    use super::*;

    struct Rig {
        root: tempfile::TempDir,
        sights: watch::Receiver<Sight>,
    }

    impl Rig {
        fn looking_each(each: Duration) -> Self {
            let root = tempfile::tempdir().unwrap();
            let (told, sights) = watch::channel(Sight::default());
            tokio::spawn(look(root.path().join("plugins"), each, told));
            Self { root, sights }
        }

        fn directory(&self) -> PathBuf {
            self.root.path().join("plugins")
        }

        async fn until(&mut self, holds: impl FnMut(&Sight) -> bool) -> Sight {
            let limit = Duration::from_secs(20);
            timeout(limit, self.sights.wait_for(holds)).await.expect("is seen in time").unwrap().clone()
        }
    }

    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_new_socket_of_kubelet_is_seen_at_once_even_if_its_name_was_there_before() {
        let root = tempfile::tempdir().unwrap();
        let (told, sights) = watch::channel(Sight::default());
        tokio::spawn(look(root.path().to_owned(), NEVER, told));
        let mut rig = Rig { root, sights };
        rig.until(|sight| sight.looks == 1 && sight.kubelet.is_none()).await;
        let path = kubelet(rig.root.path());
        let began = Instant::now();
        let _first = UnixListener::bind(&path).unwrap();
        let first = rig.until(|sight| sight.kubelet.is_some()).await.kubelet;
        fs::remove_file(&path).unwrap();
        let _second = UnixListener::bind(&path).unwrap();
        rig.until(|sight| sight.kubelet.is_some() && sight.kubelet != first).await;
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_directory_that_comes_late_or_is_replaced_is_seen_by_looking() {
        let mut rig = Rig::looking_each(Duration::from_millis(50));
        rig.until(|sight| sight.looks > 2 && sight.kubelet.is_none()).await;
        for _ in 0..2 {
            fs::create_dir(rig.directory()).unwrap();
            let _socket = UnixListener::bind(kubelet(&rig.directory())).unwrap();
            rig.until(|sight| sight.kubelet.is_some()).await;
            fs::remove_dir_all(rig.directory()).unwrap();
            rig.until(|sight| sight.kubelet.is_none()).await;
        }
    }
}
