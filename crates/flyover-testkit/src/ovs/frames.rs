//! Frames through a switch: that what one pod sends comes out at another.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flyover_vhost::Port;

/// How long a frame may take before it is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// A frame to everybody that carries a text, long enough for any NIC.
#[must_use]
pub fn broadcast(text: &str) -> Vec<u8> {
    [[0xff; 6].as_slice(), &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5], text.as_bytes(), &[0; 46]].concat()
}

/// Sends a frame until it comes out at the other end as it was: a switch needs a while after it connected.
pub fn passes(from: &mut Port, to: &mut Port, frame: &[u8], limit: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + limit;
    from.ready(end).context("the sender")?;
    to.ready(end).context("the receiver")?;
    while Instant::now() < end {
        // A switch that is just going away takes nothing.
        let _sent = from.send(frame);
        let soon = (Instant::now() + AGAIN).min(end);
        while let Some(came) = to.receive(soon)? {
            if came == frame {
                return Ok(());
            }
        }
    }
    bail!("a frame of {} bytes did not pass in {limit:?}", frame.len());
}
