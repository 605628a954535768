//! One end of a ping-pong: sends and receives whole messages with as few calls as it can.

use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{MsgFlags, SockaddrStorage, recv, send, sendto};
use nix::unistd::{read, write};
use socket2::Socket;

use super::mux::Mux;
use super::options::Side;
use crate::error::{MeasureError, failed};

/// An end that is connected to the other one.
pub(crate) struct End {
    read: OwnedFd,
    /// Only a pipe writes elsewhere than it reads.
    write: Option<OwnedFd>,
    stream: bool,
    to: Option<SockaddrStorage>,
    mux: Mux,
    /// A socket that was shut down wakes who sleeps on it, but tells one who spins on datagrams nothing.
    woken: AtomicBool,
}

/// What lies between the two ends.
pub(crate) enum Link {
    /// A connected socket; stream or datagram.
    Socket { socket: OwnedFd, stream: bool },
    /// A UDP socket whose messages each name the peer.
    Unconnected { socket: OwnedFd, peer: SocketAddr },
    /// Two ends of two pipes.
    Pipes { read: OwnedFd, write: OwnedFd },
}

impl End {
    /// Makes an end that behaves as `side` says.
    pub(crate) fn new(link: Link, side: &Side) -> Result<Self, MeasureError> {
        let (read, write, stream, to) = match link {
            Link::Socket { socket, stream } => (socket, None, stream, None),
            Link::Unconnected { socket, peer } => (socket, None, false, Some(SockaddrStorage::from(peer))),
            Link::Pipes { read, write } => (read, Some(write), true, None),
        };
        let socket_options = if write.is_none() { set_options(read.as_fd(), side) } else { Ok(()) };
        socket_options.map_err(failed("set options of", "a socket"))?;
        if write.is_some() && (side.spin || side.muxer != super::Muxer::None) {
            // A pipe has no flag for a single call.
            fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed("set options of", "a pipe"))?;
        }
        let bystanders = super::bystanders::open(side)?;
        let mux = Mux::new(side.muxer, (side.spin, side.timeout), read.as_fd(), bystanders)
            .map_err(failed("set up", format!("muxer {}", side.muxer)))?;
        Ok(Self { read, write, stream, to, mux, woken: AtomicBool::new(false) })
    }

    /// Sends one message.
    #[inline]
    pub(crate) fn send(&self, message: &[u8], flags: MsgFlags) -> Result<(), MeasureError> {
        let sent = match (&self.write, &self.to) {
            (Some(pipe), _) => write(pipe, message),
            (None, Some(to)) => sendto(self.read.as_raw_fd(), message, to, flags),
            (None, None) => send(self.read.as_raw_fd(), message, flags),
        };
        match sent {
            Ok(sent) if sent == message.len() => Ok(()),
            // Only a stream with a full buffer takes a part.
            Ok(sent) if self.stream && sent > 0 => self.send(&message[sent..], flags),
            Ok(sent) => Err(MeasureError::Torn { expected: message.len(), received: sent }),
            Err(errno) => Err(failed("send", "a message")(errno)),
        }
    }

    /// Receives one message, and says how long it was: shorter than `into` only if the other end is gone.
    #[inline]
    pub(crate) fn receive(&self, into: &mut [u8]) -> Result<usize, MeasureError> {
        let received = if !self.mux.is_none() {
            self.receive_by_mux(into)
        } else if self.mux.spins() {
            self.receive_spinning(into)
        } else if self.write.is_none() {
            recv(self.read.as_raw_fd(), into, MsgFlags::MSG_WAITALL)
        } else {
            fill(into, |rest| read(&self.read, rest))
        };
        received.map_err(failed("receive", "a message"))
    }

    fn receive_spinning(&self, into: &mut [u8]) -> nix::Result<usize> {
        let deadline = self.mux.timeout().map(|t| Instant::now() + t);
        self.gather(into, |rest| {
            loop {
                match self.take(rest) {
                    Err(Errno::EAGAIN) if self.may_spin(deadline) => {}
                    other => return other,
                }
            }
        })
    }

    fn may_spin(&self, deadline: Option<Instant>) -> bool {
        !self.woken.load(Ordering::Relaxed) && deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    fn receive_by_mux(&self, into: &mut [u8]) -> nix::Result<usize> {
        self.mux.arm(self.read.as_fd())?;
        let received = self.gather(into, |rest| {
            self.mux.wait(self.read.as_fd())?;
            self.take(rest)
        });
        self.mux.disarm(self.read.as_fd())?;
        received
    }

    /// A datagram comes at once; a stream is asked until the message is whole.
    fn gather(
        &self,
        into: &mut [u8],
        mut take: impl FnMut(&mut [u8]) -> nix::Result<usize>,
    ) -> nix::Result<usize> {
        if self.stream { fill(into, take) } else { take(into) }
    }

    fn take(&self, into: &mut [u8]) -> nix::Result<usize> {
        if self.write.is_none() {
            recv(self.read.as_raw_fd(), into, MsgFlags::MSG_DONTWAIT)
        } else {
            read(&self.read, into)
        }
    }

    /// Ends the wait for a message of up to `size` bytes: of this end if it is a socket, of the other end of a pipe.
    pub(crate) fn wake(&self, size: usize) {
        self.woken.store(true, Ordering::Relaxed);
        match &self.write {
            // A closed or full pipe has woken its reader already.
            Some(pipe) => drop(write(pipe, &vec![0; size.max(1)])),
            // An unconnected UDP socket answers with an error, but wakes its readers all the same.
            None => drop(nix::sys::socket::shutdown(self.read.as_raw_fd(), to_nix(Shutdown::Both))),
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

fn to_nix(how: Shutdown) -> nix::sys::socket::Shutdown {
    match how {
        Shutdown::Read => nix::sys::socket::Shutdown::Read,
        Shutdown::Write => nix::sys::socket::Shutdown::Write,
        Shutdown::Both => nix::sys::socket::Shutdown::Both,
    }
}

/// Reads until `into` is full or the other end is gone.
fn fill(into: &mut [u8], mut take: impl FnMut(&mut [u8]) -> nix::Result<usize>) -> nix::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match take(&mut into[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

fn set_options(fd: BorrowedFd<'_>, side: &Side) -> std::io::Result<()> {
    let socket = socket2::SockRef::from(&fd);
    if side.timeout.is_some() {
        socket.set_read_timeout(side.timeout)?;
        socket.set_write_timeout(side.timeout)?;
    }
    if side.busy_poll_us > 0 {
        Socket::set_busy_poll(&socket, side.busy_poll_us)?;
    }
    Ok(())
}
