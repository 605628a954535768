//! A socket of a server, and how long one waits for it.
//!
//! Invariant: no call takes longer than the end it was given, whatever the server does: that it takes nobody up, reads
//! nothing, says nothing or says it byte by byte.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};
use serde_json::Value;

use crate::error::OvsError;
use crate::session::{Event, Session};

/// The least that the kernel is told to wait: none at all is to it for ever.
const LEAST: Duration = Duration::from_millis(1);

/// A connection that waits.
#[derive(Debug)]
pub(crate) struct Line {
    path: PathBuf,
    stream: UnixStream,
    session: Session,
    /// What the server has not taken yet: half a message must be followed by its other half.
    unsent: Vec<u8>,
    limit: Duration,
}

impl Line {
    pub(crate) fn connect(path: &Path, limit: Duration) -> Result<Self, OvsError> {
        let stream = connect_within(path, limit).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => {
                OvsError::Late { path: path.to_owned(), what: "accept a connection".to_owned(), limit }
            }
            _ => OvsError::Connect { path: path.to_owned(), source },
        })?;
        let (session, unsent) = (Session::default(), Vec::new());
        Ok(Self { path: path.to_owned(), stream, session, unsent, limit })
    }

    /// When a call that begins now has to be done.
    pub(crate) fn end(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// How long a call may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// That the server did not do something in time.
    pub(crate) fn late(&self, what: &str) -> OvsError {
        OvsError::Late { path: self.path.clone(), what: what.to_owned(), limit: self.limit }
    }

    /// Asks for something. It goes out when an event is waited for.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.session.request(method, params)
    }

    /// The answer to a request. Answers to others, which nobody waits for any more, are passed over.
    pub(crate) fn reply(
        &mut self,
        wanted: u64,
        method: &str,
        end: Instant,
    ) -> Result<Result<Value, Value>, OvsError> {
        let what = format!("answer {method}");
        loop {
            match self.event(&what, end)? {
                Event::Reply { id, outcome } if id == wanted => return Ok(outcome),
                _ => {}
            }
        }
    }

    /// The next thing the server says.
    pub(crate) fn event(&mut self, what: &str, end: Instant) -> Result<Event, OvsError> {
        loop {
            self.send(end).map_err(|source| self.failed(source, "take what was asked"))?;
            if let Some(event) = self.session.event() {
                return Ok(event);
            }
            let mut bytes = [0; 16 << 10];
            let count = self.receive(&mut bytes, end).map_err(|source| self.failed(source, what))?;
            let received = self.session.receive(&bytes[..count]);
            received.map_err(|source| OvsError::Malformed { path: self.path.clone(), source })?;
        }
    }

    /// Sends what is to be sent.
    pub(crate) fn send(&mut self, end: Instant) -> io::Result<()> {
        self.unsent.extend(self.session.outgoing());
        while !self.unsent.is_empty() {
            self.stream.set_write_timeout(Some(left(end)?))?;
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], end: Instant) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(left(end)?))?;
            match self.stream.read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn failed(&self, source: io::Error, what: &str) -> OvsError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                OvsError::Late { path, what: what.to_owned(), limit: self.limit }
            }
            _ => OvsError::Lost { path, source },
        }
    }
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A listener that accepts nobody and whose queue is full makes `connect` wait, and std has no bound for that; the kernel
/// has one, the same as for sending.
fn connect_within(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let end = Instant::now() + limit;
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let address = UnixAddr::new(path)?;
    loop {
        let wait = left(end)?.max(LEAST).as_micros();
        let wait = TimeVal::microseconds(i64::try_from(wait).map_err(io::Error::other)?);
        setsockopt(&socket, SendTimeout, &wait)?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => return Ok(socket.into()),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}
