//! UDP round trips at an offered rate: how latency grows with load, and where messages begin to be lost.
//!
//! One thread sends on schedule and receives in between. It does not wait for an answer before it sends again, so a
//! slow answer delays no message; a message that is late itself is sent at once.

use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::time::TimeSpec;

use crate::clock::Clock;
use crate::error::{MeasureError, failed};
use crate::samples::Samples;

/// A message holds its number and the time it was sent.
pub const LEAST_SIZE: usize = 16;
/// How long answers are waited for after the last message: a peer that was given no processor for a while has lost nothing.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Messages to be offered.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Messages in a second.
    pub rate: u32,
    /// Bytes of a message, at least [`LEAST_SIZE`].
    pub size: usize,
    /// For so long.
    pub duration: Duration,
    /// Look for answers again and again instead of sleeping until one comes or a message is due.
    pub spin: bool,
}

/// What became of them.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Messages sent.
    pub sent: u64,
    /// Messages that came back.
    pub received: u64,
    /// Messages that went out in a second.
    pub rate: f64,
    /// Whole round trips in nanoseconds.
    pub samples: Samples,
    /// How late messages were sent, in nanoseconds: what the sender itself adds.
    pub lateness: Samples,
}

/// Offers messages to the peer the socket is connected to, which must send them back.
pub fn offer(socket: &UdpSocket, offer: &Offer) -> Result<Outcome, MeasureError> {
    // A thread sleeps 50 us longer than it asks unless it says that it minds.
    nix::sys::prctl::set_timerslack(1).map_err(failed("set the timer slack of", "a measuring thread"))?;
    let clock = Clock::get();
    let gap = clock.hz() / u64::from(offer.rate.max(1));
    let due = offer.duration.as_nanos() * u128::from(offer.rate) / 1_000_000_000;
    let due = usize::try_from(due).unwrap_or(usize::MAX).max(1);
    let mut run = Run {
        socket,
        clock,
        spin: offer.spin,
        buffer: vec![0; offer.size.max(LEAST_SIZE)],
        trips: Vec::with_capacity(due),
        late: Vec::with_capacity(due),
    };
    let start = clock.stamp();
    for number in 0..due as u64 {
        let when = start + number * gap;
        run.listen_until(when)?;
        run.send(number, when)?;
    }
    let took = clock.nanos(clock.stamp() - start);
    let last = clock.stamp() + clock.ticks(LAST_ANSWERS);
    while run.trips.len() < due && clock.stamp() < last {
        run.listen_until(last.min(clock.stamp() + gap))?;
    }
    Ok(Outcome {
        sent: due as u64,
        received: run.trips.len() as u64,
        rate: due as f64 / (took / 1e9),
        samples: Samples::new(run.nanos(&run.trips)),
        lateness: Samples::new(run.nanos(&run.late)),
    })
}

struct Run<'a> {
    socket: &'a UdpSocket,
    clock: Clock,
    spin: bool,
    buffer: Vec<u8>,
    trips: Vec<u64>,
    late: Vec<u64>,
}

impl Run<'_> {
    fn send(&mut self, number: u64, when: u64) -> Result<(), MeasureError> {
        let now = self.clock.stamp();
        self.late.push(now.saturating_sub(when));
        self.buffer[..8].copy_from_slice(&number.to_le_bytes());
        self.buffer[8..LEAST_SIZE].copy_from_slice(&now.to_le_bytes());
        match send(self.socket.as_raw_fd(), &self.buffer, MsgFlags::empty()) {
            // A full queue, or nobody there yet: the message is lost, and counted so.
            Ok(_) | Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::ECONNREFUSED) => Ok(()),
            Err(errno) => Err(failed("send", "a message")(errno)),
        }
    }

    fn listen_until(&mut self, when: u64) -> Result<(), MeasureError> {
        loop {
            self.collect()?;
            let now = self.clock.stamp();
            if now >= when {
                return Ok(());
            }
            if !self.spin {
                self.sleep(Duration::from_nanos(self.nanos(&[when - now])[0]))?;
            }
        }
    }

    /// Takes all answers that are there.
    fn collect(&mut self) -> Result<(), MeasureError> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(size) if size >= LEAST_SIZE => self.note(),
                Ok(_) | Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(failed("receive", "a message")(errno)),
            }
        }
    }

    /// A datagram of a stranger, or of an earlier rate, would say anything.
    fn note(&mut self) {
        let field = |at: usize| self.buffer[at..at + 8].try_into().map(u64::from_le_bytes);
        let (Ok(number), Ok(sent)) = (field(0), field(8)) else { return };
        let now = self.clock.stamp();
        if number < self.late.len() as u64 && sent <= now && self.trips.len() < self.trips.capacity() {
            self.trips.push(now - sent);
        }
    }

    fn sleep(&self, span: Duration) -> Result<(), MeasureError> {
        let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut watched, Some(TimeSpec::from(span)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(failed("wait for", "an answer")(errno)),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time, rounded")]
    fn nanos(&self, ticks: &[u64]) -> Vec<u64> {
        ticks.iter().map(|t| self.clock.nanos(*t).round() as u64).collect()
    }
}

/// Sends every message back to where it came from, until it is over.
pub(crate) fn echo(socket: &UdpSocket, over: &AtomicBool) -> Result<(), MeasureError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let received = socket.recv_from(&mut buffer);
        if over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (size, from) = received.map_err(failed("receive", "a message"))?;
        // One that cannot be sent is one that is lost, and the client counts them.
        let _sent = socket.send_to(&buffer[..size], from);
    }
}
