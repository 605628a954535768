//! Messages back and forth, one at a time: the latency of a path.
//!
//! A sample is half a round trip, so one clock suffices. With both ends on one processor it is what the path costs;
//! on two, what waking up the other end costs is in it as well.

mod bystanders;
pub(crate) mod end;
mod mux;
pub(crate) mod open;
mod options;
pub(crate) mod play;
#[cfg(test)]
mod root;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use options::{BadMuxer, BadProto, Bystanders, Gap, Muxer, PingPong, Proto, Side};
use play::Exchange;

use crate::clock::{Clock, thread_cpu_ns};
use crate::duet::Duet;
use crate::error::MeasureError;
use crate::host;
use crate::place::Way;
use crate::samples::Samples;

/// What may be added to the planned time before an exchange counts as standing still.
const GRACE: Duration = Duration::from_secs(3);
/// How many round trips of a warm-up are remembered, if only to be forgotten.
const WARMUP_CHUNK: usize = 4096;

/// The outcome of a ping-pong.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Half round trips in nanoseconds.
    pub samples: Samples,
    /// Processor time of both ends for one message, in nanoseconds: system calls, and the packet's way through the
    /// stack, which runs in the context of whoever sent it.
    pub cpu_per_message_ns: f64,
}

/// Half round trips in nanoseconds over the way.
pub fn measure(spec: &PingPong, way: &Way) -> Result<Samples, MeasureError> {
    measure_all(spec, way).map(|measured| measured.samples)
}

/// The same, with the processor time it took.
pub fn measure_all(spec: &PingPong, way: &Way) -> Result<Measured, MeasureError> {
    // Calibrating takes a while, and both ends should find it done.
    let _calibrated = Clock::get();
    let (client, server) = open::ends(spec, way)?;
    let exchange = Exchange {
        send: spec.size,
        receive: spec.size,
        pings: spec.side.pings.max(1),
        pongs: spec.side.pings.max(1),
        more: spec.side.more,
    };
    let what = format!("{} ping-pong of {} bytes", spec.proto, spec.size);
    let wake = || [&client, &server].into_iter().for_each(|end| end.wake(spec.size));
    let duet = Duet { what: &what, limit: spec.warmup + spec.duration + GRACE, wake: &wake };
    let (client_end, server_end) = (&client, &server);
    // The client reads how long the server's thread has run, so it must know which one it is.
    let (tell, server_thread) = std::sync::mpsc::channel();
    duet.play(
        move || {
            way.client.settle()?;
            let server_thread = server_thread.recv().map_err(|_| gone())?;
            play_client(spec, client_end, exchange, server_thread)
        },
        move |over: &AtomicBool| {
            way.server.settle()?;
            tell.send(nix::unistd::gettid()).map_err(|_| gone())?;
            play::pong(server_end, exchange, u64::MAX, over)
        },
    )
}

fn gone() -> MeasureError {
    MeasureError::Peer("ended before it began".to_owned())
}

fn play_client(
    spec: &PingPong,
    end: &end::End,
    exchange: Exchange,
    server_thread: nix::unistd::Pid,
) -> Result<Measured, MeasureError> {
    let clock = Clock::get();
    let warm = clock.stamp() + clock.ticks(spec.warmup);
    let mut forgotten = vec![0; WARMUP_CHUNK];
    while clock.stamp() < warm {
        play::ping(end, exchange, spec.gap, Some(warm), &mut forgotten)?;
    }
    // Filled, not only reserved: a page fault would be in the first samples.
    let mut ticks = vec![1; spec.max_iterations];
    let used = || Ok::<_, MeasureError>(thread_cpu_ns() + host::thread_cpu_ns(server_thread)?);
    let before = used()?;
    let until = clock.stamp() + clock.ticks(spec.duration);
    let count = play::ping(end, exchange, spec.gap, Some(until), &mut ticks)?;
    let cpu = used()? - before;
    let messages = count as f64 * f64::from(exchange.pings + exchange.pongs);
    Ok(Measured {
        samples: Samples::new(play::nanos(&ticks[..count], 0.5)),
        cpu_per_message_ns: cpu as f64 / messages,
    })
}
