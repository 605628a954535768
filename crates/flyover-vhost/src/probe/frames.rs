//! The frames of a probe: numbered, of several lengths, and known again byte for byte.

use std::time::{Duration, Instant};

use crate::error::VhostError;
use crate::port::Port;

/// For experiments on one network (IEEE 802, local experimental 1).
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
/// From the shortest that Ethernet has to the longest of an MTU of 1500.
const LENGTHS: [usize; 4] = [60, 128, 590, 1514];
/// How often the first frame is tried: a switch learns and sets up its queues for a while after it connected.
const TRY: Duration = Duration::from_millis(50);

/// Two ports, and what went between them.
pub(super) struct Pair {
    ports: [Port; 2],
    macs: [[u8; 6]; 2],
    number: u32,
    sent: u32,
    received: u32,
}

impl Pair {
    pub(super) fn new(a: Port, b: Port) -> Self {
        let macs = [rand::random(), rand::random()].map(local);
        Self { ports: [a, b], macs, number: 0, sent: 0, received: 0 }
    }

    /// Waits until the switch is connected to both.
    pub(super) fn ready(&mut self, deadline: Instant) -> Result<(), VhostError> {
        self.ports.iter_mut().try_for_each(|port| port.ready(deadline))
    }

    /// Sends until a frame passes each way; says whether one did. What is lost until then does not count.
    pub(super) fn first(&mut self, deadline: Instant) -> Result<bool, VhostError> {
        while Instant::now() < deadline {
            if self.pass(0, TRY)? && self.pass(1, TRY)? {
                (self.sent, self.received) = (0, 0);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends frames there and back; gives the time of each that came back.
    pub(super) fn rounds(
        &mut self,
        count: u32,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Vec<Duration>, VhostError> {
        let mut times = Vec::new();
        for _ in 0..count {
            if Instant::now() > deadline {
                break;
            }
            let began = Instant::now();
            if self.pass(0, limit)? && self.pass(1, limit)? {
                times.push(began.elapsed());
            }
        }
        Ok(times)
    }

    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// Sends a frame from one port and says whether it came out of the other as it was.
    fn pass(&mut self, from: usize, limit: Duration) -> Result<bool, VhostError> {
        let to = 1 - from;
        self.number += 1;
        let frame = frame(self.macs[from], self.macs[to], self.number);
        match self.ports[from].send(&frame) {
            Ok(()) => self.sent += 1,
            // The switch takes nothing: that is what the probe is to find out.
            Err(VhostError::Full { .. } | VhostError::NotConnected { .. }) => {
                std::thread::sleep(limit);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let end = Instant::now() + limit;
        while let Some(came) = self.ports[to].receive(end)? {
            // A bridge brings other frames too: floods, and our own that were late.
            if came == frame {
                self.received += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A MAC address that no maker gives to a device.
fn local(mut mac: [u8; 6]) -> [u8; 6] {
    mac[0] = (mac[0] & !0b11) | 0b10;
    mac
}

fn frame(from: [u8; 6], to: [u8; 6], number: u32) -> Vec<u8> {
    let mut frame = [to.as_slice(), &from, &ETHERTYPE, &number.to_be_bytes()].concat();
    let length = LENGTHS[number as usize % LENGTHS.len()];
    frame.extend((frame.len()..length).map(|at| at.to_le_bytes()[0] ^ number.to_le_bytes()[0]));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_differ_by_their_number_and_have_every_length() {
        let frames: Vec<Vec<u8>> = (0..8).map(|number| frame([2; 6], [6; 6], number)).collect();
        let lengths: Vec<usize> = frames.iter().map(Vec::len).collect();
        assert_eq!(lengths, [60, 128, 590, 1514, 60, 128, 590, 1514]);
        assert_ne!(frames[0], frames[4]);
    }

    #[test]
    fn addresses_are_local_and_of_one_station() {
        assert_eq!(local([0xff; 6]), [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(local([0; 6]), [2, 0, 0, 0, 0, 0]);
    }
}
