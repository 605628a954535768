//! One side of the broker: its socket, and the connection of whoever came.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use super::BrokerError;
use super::channel::{Channel, Fault, Shared};
use super::message::{Message, Way};

/// Whoever may come into the directory may connect: to the pod's socket a pod of any user, and the pod decides on the
/// directory; to the other the switch.
fn mode(way: Way) -> u32 {
    match way {
        Way::Request => 0o666,
        Way::Reply => 0o660,
    }
}

/// How often somebody is tried again for whom there is no room.
const AGAIN: Duration = Duration::from_millis(50);

/// One side: where it comes from, and who is there.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) path: PathBuf,
    listener: UnixListener,
    channel: Option<Channel>,
    way: Way,
}

/// What happened to a side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events {
    pub(super) comes: bool,
    pub(super) speaks: bool,
    pub(super) went: bool,
}

impl Events {
    pub(super) fn of(side: &Side, happened: PollFlags) -> Self {
        let there = side.channel.is_some();
        let ends = PollFlags::POLLHUP | PollFlags::POLLERR;
        Self {
            comes: !there && happened.contains(PollFlags::POLLIN),
            speaks: there && happened.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR),
            went: there && happened.intersects(ends),
        }
    }
}

impl Side {
    /// Makes its socket; one of a dead broker is replaced.
    pub(super) fn bind(path: &Path, way: Way) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::Listen { path: path.to_owned(), source };
        if path.exists() && UnixStream::connect(path).is_err() {
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        // The directory says who may use it; the socket says the same.
        let directory = path.parent().unwrap_or(Path::new("."));
        let of = fs::metadata(directory).map_err(failed)?;
        chown(path, Some(of.uid()), Some(of.gid())).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode(way))).map_err(failed)?;
        Ok(Self { path: path.to_owned(), listener, channel: None, way })
    }

    /// What is to be waited for: what it says, or that somebody comes. Who comes while another is there waits its turn.
    pub(super) fn polled(&self, events: PollFlags) -> PollFd<'_> {
        match &self.channel {
            Some(channel) => PollFd::new(channel.fd(), events),
            None => PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        }
    }

    /// Closes its connection, if there is one.
    pub(super) fn drop_channel(&mut self) {
        self.channel = None;
    }

    /// Takes who comes; says whether there was somebody.
    pub(super) fn accept(&mut self) -> Result<bool, BrokerError> {
        let accepted = self.listener.accept().and_then(|(stream, _)| Channel::new(stream, self.way));
        match accepted {
            Ok(channel) => self.channel = Some(channel),
            Err(error) if is_over(&error) => return Ok(false),
            Err(error) if is_not_now(&error) => {
                // Who comes waits at the door; the other side has little to say, and packets do not pass here.
                thread::sleep(AGAIN);
                return Ok(false);
            }
            Err(source) => return Err(BrokerError::Wait { path: self.path.clone(), source }),
        }
        Ok(true)
    }

    /// What it says, if that is whole.
    pub(super) fn receive(&mut self) -> Result<Option<Message<Shared>>, Fault> {
        self.channel.as_mut().map_or(Ok(None), Channel::receive)
    }

    /// Says something to it.
    pub(super) fn send(&self, message: &Message<Shared>) -> Result<(), Fault> {
        // A side that has gone is noticed when it is heard.
        self.channel.as_ref().map_or(Ok(()), |channel| channel.send(message))
    }
}

/// Whether the machine has no room for one more: it may have later.
fn is_not_now(error: &io::Error) -> bool {
    const NOT_NOW: [Errno; 4] = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|number| NOT_NOW.contains(&Errno::from_raw(number)))
}

/// Whether who came is gone again.
fn is_over(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | ConnectionAborted | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_room_for_one_more_is_no_fault_of_the_broker() {
        let not_now = |errno: Errno| is_not_now(&errno.into());
        assert_eq!([Errno::EMFILE, Errno::ENFILE, Errno::EBADF].map(not_now), [true, true, false]);
    }
}
