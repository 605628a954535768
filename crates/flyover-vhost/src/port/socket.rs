//! How the two sides find each other, and how one waits for the other.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::VhostError;

/// How often somebody who does not listen yet is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Door {
    /// The other side connects.
    Ours {
        /// Where.
        path: PathBuf,
        /// What listens.
        listener: UnixListener,
    },
    /// The other side listens.
    Theirs(PathBuf),
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// What was waited for came.
    Signal,
    /// The time is over.
    Late,
    /// The other side is gone.
    Gone,
}

impl Door {
    /// Makes a socket; one that a dead process left is replaced, one that somebody listens on is not.
    pub(super) fn listen(path: &Path) -> Result<Self, VhostError> {
        let failed = |source| VhostError::Socket { verb: "listen on", path: path.to_owned(), source };
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && UnixStream::connect(path).is_err() => {
                fs::remove_file(path).map_err(failed)?;
                UnixListener::bind(path)
            }
            bound => bound,
        };
        let listener = listener.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self::Ours { path: path.to_owned(), listener })
    }

    /// For a socket that another makes.
    pub(super) fn connect(path: &Path) -> Self {
        Self::Theirs(path.to_owned())
    }

    /// The next connection; none if there is none until the deadline.
    pub(super) fn open(&self, deadline: Instant) -> Result<Option<UnixStream>, VhostError> {
        match self {
            Self::Ours { path, listener } => {
                let failed = |source| VhostError::Socket { verb: "accept on", path: path.clone(), source };
                loop {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            stream.set_nonblocking(false).map_err(failed)?;
                            return Ok(Some(stream));
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(failed(error)),
                    }
                    if wait(&[(listener.as_fd(), PollFlags::POLLIN)], deadline).is_empty() {
                        return Ok(None);
                    }
                }
            }
            Self::Theirs(path) => loop {
                match UnixStream::connect(path) {
                    Ok(stream) => return Ok(Some(stream)),
                    Err(error) if !is_absent(&error) => {
                        return Err(VhostError::Socket {
                            verb: "connect to",
                            path: path.clone(),
                            source: error,
                        });
                    }
                    Err(_) if Instant::now() + AGAIN >= deadline => return Ok(None),
                    Err(_) => thread::sleep(AGAIN),
                }
            },
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Ours { path, .. } = self {
            // Somebody may have removed the directory before, which is right too.
            let _gone = fs::remove_file(path);
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Waits for one of several; gives the places of those that something happened to.
pub(super) fn wait(fds: &[(BorrowedFd<'_>, PollFlags)], deadline: Instant) -> Vec<usize> {
    loop {
        let mut polled: Vec<PollFd<'_>> = fds.iter().map(|(fd, events)| PollFd::new(*fd, *events)).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, so that the last fraction of a millisecond is no busy loop.
        let millis = left.as_micros().div_ceil(1000);
        let limit =
            PollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX);
        match poll(&mut polled, limit) {
            Err(Errno::EINTR) => {}
            Err(_) | Ok(0) => return Vec::new(),
            Ok(_) => {
                let happened = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
                return (0..polled.len()).filter(|at| happened(&polled[*at])).collect();
            }
        }
    }
}
