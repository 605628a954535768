//! A blocking netlink socket for questions: one request, all of its answer.
//!
//! Invariant: it belongs to the network namespace in which it was opened, wherever its thread goes later.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{MsgFlags, recv};

use super::message::{Message, Request, messages};
use super::{Malformed, NlError, ne32};

/// The kernel fills datagrams of a dump up to 32 KiB; a single rule of a large set may be longer.
const BUFFER: usize = 256 * 1024;

/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE`.
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the list changed under the dump.
const INTERRUPTED: u16 = 0x10;

/// How often a protocol that is not there is asked for again, and after how long.
const ATTEMPTS: u32 = 25;
const LOADING: Duration = Duration::from_millis(20);

/// Opens a netlink socket. The first to ask for a protocol makes the kernel load its module; who asks while that is
/// loading may be told that there is none (seen on 7.2, with two agents that start at once).
pub(crate) fn open(protocol: isize) -> io::Result<Socket> {
    let mut left = ATTEMPTS;
    loop {
        match Socket::new(protocol) {
            Err(e) if e.raw_os_error() == Some(libc::EPROTONOSUPPORT) && left > 0 => {
                left -= 1;
                std::thread::sleep(LOADING);
            }
            opened => return opened,
        }
    }
}

/// A conversation with one part of the kernel.
pub(crate) struct Talk {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Talk {
    /// Opens a socket of a `NETLINK_*` protocol in the calling thread's namespace.
    pub(crate) fn open(protocol: libc::c_int, what: &'static str) -> Result<Self, NlError> {
        let fail = |source| NlError::Socket { verb: "open", what, source };
        let protocol = isize::try_from(protocol).map_err(|e| fail(io::Error::other(e)))?;
        let mut socket = open(protocol).map_err(fail)?;
        socket.bind_auto().map_err(fail)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(fail)?;
        // A kernel that does not check strictly ignores the filters of a dump, so callers filter again.
        if let Err(error) = socket.set_netlink_get_strict_chk(true) {
            tracing::debug!(%error, "the kernel does not check netlink requests strictly");
        }
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Sends the request and gives each message of the answer to `each`, until the answer is complete.
    pub(crate) fn ask(
        &mut self,
        what: &'static str,
        request: &Request,
        mut each: impl FnMut(&Message<'_>) -> Result<(), Malformed>,
    ) -> Result<(), NlError> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.bytes(self.sequence);
        self.socket.send(&bytes, 0).map_err(|source| NlError::Socket { verb: "write to", what, source })?;
        let mut interrupted = false;
        loop {
            let len = self.receive(what)?;
            let datagram = self.buffer.get(..len).unwrap_or_default();
            for message in messages(datagram) {
                let message = message.map_err(|source| NlError::Malformed { what, source })?;
                if message.sequence != self.sequence || message.kind == NOOP {
                    continue;
                }
                interrupted |= message.flags & INTERRUPTED != 0;
                match message.kind {
                    // The rest of an interrupted list is read before it is given up, or it would answer the next one.
                    DONE | ERROR => return ended(what, &message, interrupted),
                    _ => each(&message).map_err(|source| NlError::Malformed { what, source })?,
                }
            }
        }
    }

    fn receive(&mut self, what: &'static str) -> Result<usize, NlError> {
        let fail = |source| NlError::Socket { verb: "read from", what, source };
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Ok(len) if len > self.buffer.len() => {
                    return Err(NlError::Malformed { what, source: Malformed { what: "oversized answer" } });
                }
                Ok(len) => return Ok(len),
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(fail(errno.into())),
            }
        }
    }
}

/// An answer ends with an error number; zero is success. `DONE` of an old kernel may come without one.
fn ended(what: &'static str, message: &Message<'_>, interrupted: bool) -> Result<(), NlError> {
    let code = ne32(message.body).map_or(0, u32::cast_signed);
    match code.checked_neg() {
        Some(0) if interrupted => Err(NlError::Interrupted { what }),
        Some(0) => Ok(()),
        Some(libc::EINTR) => Err(NlError::Interrupted { what }),
        Some(errno) => Err(NlError::Refused { what, source: io::Error::from_raw_os_error(errno) }),
        None => Err(NlError::Malformed { what, source: Malformed { what: "error number" } }),
    }
}
