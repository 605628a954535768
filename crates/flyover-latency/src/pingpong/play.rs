//! The loops that are measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::socket::MsgFlags;

use super::end::End;
use super::options::Gap;
use crate::clock::Clock;
use crate::error::MeasureError;

/// nix does not name this flag.
const MSG_MORE: MsgFlags = MsgFlags::from_bits_retain(libc::MSG_MORE);

/// The messages of one round trip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// Bytes of a message of ours.
    pub(crate) send: usize,
    /// Bytes of a message of the other end.
    pub(crate) receive: usize,
    /// Messages we send.
    pub(crate) pings: u32,
    /// Messages the other end sends.
    pub(crate) pongs: u32,
    /// `MSG_MORE` on all but the last of a burst.
    pub(crate) more: bool,
}

impl Exchange {
    fn buffer(&self) -> Vec<u8> {
        vec![0; self.send.max(self.receive).max(1)]
    }

    #[inline]
    fn say(&self, end: &End, count: u32, buffer: &[u8]) -> Result<(), MeasureError> {
        let early = if self.more { MSG_MORE } else { MsgFlags::empty() };
        for _ in 1..count {
            end.send(&buffer[..self.send], early)?;
        }
        end.send(&buffer[..self.send], MsgFlags::empty())
    }

    #[inline]
    fn hear(&self, end: &End, count: u32, buffer: &mut [u8]) -> Result<(), MeasureError> {
        for _ in 0..count {
            let received = end.receive(&mut buffer[..self.receive])?;
            if received != self.receive {
                return Err(MeasureError::Torn { expected: self.receive, received });
            }
        }
        Ok(())
    }
}

/// Answers `rounds` round trips, or until the exchange is over.
pub(crate) fn pong(
    end: &End,
    exchange: Exchange,
    rounds: u64,
    over: &AtomicBool,
) -> Result<(), MeasureError> {
    let mut buffer = exchange.buffer();
    for _ in 0..rounds {
        let heard = exchange.hear(end, exchange.pings, &mut buffer);
        // Whoever ends the exchange wakes us with anything or nothing.
        if over.load(Ordering::Relaxed) {
            return Ok(());
        }
        heard?;
        match exchange.say(end, exchange.pongs, &buffer) {
            Err(_) if over.load(Ordering::Relaxed) => return Ok(()),
            said => said?,
        }
    }
    Ok(())
}

/// Measures round trips into `ticks` until it is full or `until` has passed; says how many.
pub(crate) fn ping(
    end: &End,
    exchange: Exchange,
    gap: Gap,
    until: Option<u64>,
    ticks: &mut [u64],
) -> Result<usize, MeasureError> {
    let clock = Clock::get();
    let mut buffer = exchange.buffer();
    for (done, taken) in ticks.iter_mut().enumerate() {
        let start = clock.stamp();
        exchange.say(end, exchange.pings, &buffer)?;
        exchange.hear(end, exchange.pongs, &mut buffer)?;
        let stop = clock.stamp();
        *taken = stop - start;
        if until.is_some_and(|until| stop >= until) {
            return Ok(done + 1);
        }
        pause(gap, clock);
    }
    Ok(ticks.len())
}

fn pause(gap: Gap, clock: Clock) {
    if gap.sleep > Duration::ZERO {
        std::thread::sleep(gap.sleep);
    }
    if gap.spin > Duration::ZERO {
        let until = clock.stamp() + clock.ticks(gap.spin);
        while clock.stamp() < until {
            std::hint::spin_loop();
        }
    }
}

/// A share of each time, in whole nanoseconds: one half of a round trip, for example.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time, rounded")]
pub(crate) fn nanos(ticks: &[u64], share: f64) -> Vec<u64> {
    let clock = Clock::get();
    ticks.iter().map(|t| (clock.elapsed_ns(*t) * share).round() as u64).collect()
}
