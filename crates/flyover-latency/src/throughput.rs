//! Bytes as fast as they go, over a number of TCP connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{MeasureError, failed};
use crate::pingpong::open;
use crate::place::{Place, Way};

/// What one call writes or reads.
const CHUNK: usize = 128 * 1024;
/// Bytes and time are looked at so often, to see a path that stands still.
const LOOK: Duration = Duration::from_millis(250);

/// A bulk transfer from client to server.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// Connections.
    pub streams: usize,
    /// Runs before anything is counted, so that windows have opened.
    pub warmup: Duration,
    /// Counted.
    pub duration: Duration,
}

/// What came through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carried {
    /// Bytes that the server's program read.
    pub bytes: u64,
    /// In this time.
    pub elapsed: Duration,
}

impl Carried {
    /// Payload bits in a second.
    #[must_use]
    pub fn bits_per_second(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.elapsed.as_secs_f64()
    }
}

/// Measures the payload that arrives.
pub fn measure(spec: &Throughput, way: &Way) -> Result<Carried, MeasureError> {
    let pairs = connect(spec.streams.max(1), way)?;
    let (over, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let mut ends = Vec::new();
        for (client, server) in &pairs {
            ends.push(scope.spawn(|| send(client, &way.client, &over)));
            ends.push(scope.spawn(|| count(server, &way.server, &over, &arrived)));
        }
        let carried = watch(spec, &arrived, || ends.iter().any(thread::ScopedJoinHandle::is_finished));
        over.store(true, Ordering::SeqCst);
        for socket in pairs.iter().flat_map(|(client, server)| [client, server]) {
            // A connection that is gone needs no waking.
            let _woken = socket.shutdown(std::net::Shutdown::Both);
        }
        let ended: Result<Vec<()>, _> =
            ends.into_iter().map(|end| end.join().expect("an end does not panic")).collect();
        ended.and(carried)
    })
}

fn connect(streams: usize, way: &Way) -> Result<Vec<(TcpStream, TcpStream)>, MeasureError> {
    let (listener, bound) = open::listen(&way.server, way.listen)?;
    (0..streams)
        .map(|_| {
            let client = open::connect(&way.client, way.dialled(bound))?;
            let (server, _) = listener.accept().map_err(failed("accept on", bound.to_string()))?;
            Ok((client.into(), server.into()))
        })
        .collect()
}

/// Waits for the warm-up, then counts for the duration.
pub(crate) fn watch(
    spec: &Throughput,
    arrived: &AtomicU64,
    ended: impl Fn() -> bool,
) -> Result<Carried, MeasureError> {
    thread::sleep(spec.warmup);
    let (start, from) = (Instant::now(), arrived.load(Ordering::Relaxed));
    while start.elapsed() < spec.duration && !ended() {
        thread::sleep(LOOK.min(spec.duration.saturating_sub(start.elapsed())));
    }
    let carried = Carried { bytes: arrived.load(Ordering::Relaxed) - from, elapsed: start.elapsed() };
    if carried.bytes == 0 {
        return Err(MeasureError::Stalled { what: "a bulk transfer".to_owned(), after: carried.elapsed });
    }
    Ok(carried)
}

pub(crate) fn send(mut socket: &TcpStream, place: &Place, over: &AtomicBool) -> Result<(), MeasureError> {
    place.settle()?;
    let chunk = vec![0_u8; CHUNK];
    while !over.load(Ordering::Relaxed) {
        match socket.write(&chunk) {
            Err(e) if e.kind() == ErrorKind::Interrupted || over.load(Ordering::Relaxed) => {}
            other => drop(other.map_err(failed("send to", "a stream"))?),
        }
    }
    Ok(())
}

pub(crate) fn count(
    mut socket: &TcpStream,
    place: &Place,
    over: &AtomicBool,
    arrived: &AtomicU64,
) -> Result<(), MeasureError> {
    place.settle()?;
    let mut chunk = vec![0_u8; CHUNK];
    while !over.load(Ordering::Relaxed) {
        match socket.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => drop(arrived.fetch_add(read as u64, Ordering::Relaxed)),
            Err(e) if e.kind() == ErrorKind::Interrupted || over.load(Ordering::Relaxed) => {}
            Err(e) => return Err(failed("receive from", "a stream")(e)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn bytes_arrive_over_any_number_of_streams() {
        let rig = Rig::new();
        for (streams, v6) in [(1, false), (4, false), (2, true)] {
            let spec = Throughput {
                streams,
                warmup: Duration::from_millis(10),
                duration: Duration::from_millis(50),
            };
            let carried = measure(&spec, &rig.way(v6)).unwrap();
            assert!(carried.bits_per_second() > 0.0, "{streams} streams");
        }
    }

    #[test]
    fn a_link_that_fails_in_the_middle_is_noticed() {
        let rig = Rig::new();
        let spec = Throughput {
            streams: 1,
            warmup: Duration::from_millis(500),
            duration: Duration::from_millis(100),
        };
        let way = rig.way(false);
        thread::scope(|scope| {
            let measured = scope.spawn(|| measure(&spec, &way));
            thread::sleep(Duration::from_millis(200));
            rig.in_server("link set eth0 down");
            let error = measured.join().unwrap().unwrap_err();
            assert!(error.to_string().starts_with("a bulk transfer stood still"), "{error}");
        });
    }
}
