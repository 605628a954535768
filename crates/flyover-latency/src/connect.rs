//! A fresh TCP connection for each request: what short-lived connections cost.
//!
//! The server closes first, as HTTP/1.0 servers do. So `TIME_WAIT` stays on its side, and the client does not run
//! out of ports in a measurement of a few seconds.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::duet::Duet;
use crate::error::{MeasureError, failed};
use crate::pingpong::{open, play};
use crate::place::Way;
use crate::samples::Samples;

/// What may be added to the planned time before an exchange counts as standing still: one lost SYN costs a second.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of the request and of the response.
const MESSAGE: usize = 64;
/// At most so many latencies are kept.
const MOST: usize = 1_000_000;

/// Connect, request, response, close; again and again.
#[derive(Clone, Copy, Debug)]
pub struct Connect {
    /// Runs before anything is recorded.
    pub warmup: Duration,
    /// Recorded.
    pub duration: Duration,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// From before `socket` until the response is there, in nanoseconds.
    pub samples: Samples,
    /// Transactions in a second, closing included.
    pub per_second: f64,
}

/// Measures transactions over the way.
pub fn measure(spec: &Connect, way: &Way) -> Result<Transactions, MeasureError> {
    let _calibrated = Clock::get();
    let (listener, bound) = open::listen(&way.server, way.listen)?;
    let listener = TcpListener::from(listener);
    let dial = way.dialled(bound);
    // Linux wakes an `accept` when its listener is shut down.
    let wake = || drop(socket2::SockRef::from(&listener).shutdown(std::net::Shutdown::Both));
    let what = format!("connecting to {dial}");
    let duet = Duet { what: &what, limit: spec.warmup + spec.duration + GRACE, wake: &wake };
    duet.play(
        || {
            way.client.run(|| {
                way.client.settle()?;
                transactions(spec, dial)
            })?
        },
        |over| {
            way.server.settle()?;
            serve(&listener, over)
        },
    )
}

/// The client's part.
pub(crate) fn transactions(spec: &Connect, dial: SocketAddr) -> Result<Transactions, MeasureError> {
    let mut ticks = vec![1; MOST];
    transact_for(spec.warmup, dial, &mut ticks)?;
    let (count, elapsed) = transact_for(spec.duration, dial, &mut ticks)?;
    Ok(Transactions {
        samples: Samples::new(play::nanos(&ticks[..count], 1.0)),
        per_second: count as f64 / elapsed.as_secs_f64(),
    })
}

/// Transactions until the time is over; their latencies in ticks, how many, and how long it took.
fn transact_for(
    span: Duration,
    dial: SocketAddr,
    ticks: &mut [u64],
) -> Result<(usize, Duration), MeasureError> {
    let (clock, start) = (Clock::get(), Instant::now());
    let mut count = 0;
    for taken in ticks {
        if start.elapsed() >= span {
            break;
        }
        *taken = transact(clock, dial).map_err(failed("exchange a message with", dial.to_string()))?;
        count += 1;
    }
    Ok((count, start.elapsed()))
}

fn transact(clock: Clock, dial: SocketAddr) -> std::io::Result<u64> {
    let mut message = [0; MESSAGE];
    let start = clock.stamp();
    let mut connection = TcpStream::connect(dial)?;
    connection.write_all(&message)?;
    connection.read_exact(&mut message)?;
    let taken = clock.stamp() - start;
    // The server's FIN must have come before we close, or TIME_WAIT would be ours.
    match connection.read(&mut message)? {
        0 => Ok(taken),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

/// Answers one connection after the other until it is over.
pub(crate) fn serve(listener: &TcpListener, over: &AtomicBool) -> Result<(), MeasureError> {
    let mut message = [0; MESSAGE];
    loop {
        let accepted = listener.accept();
        if over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (mut connection, _) = accepted.map_err(failed("accept", "a connection"))?;
        match connection.read_exact(&mut message).and_then(|()| connection.write_all(&message)) {
            // A client that was stopped in the middle is not our failure.
            Ok(()) | Err(_) => drop(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers one request of each connection, and returns how many bytes came over each.
    fn serve_counting(listener: &TcpListener, over: &AtomicBool) -> Vec<usize> {
        let mut bytes = Vec::new();
        loop {
            let (mut connection, _) = listener.accept().unwrap();
            if over.load(Ordering::SeqCst) {
                return bytes;
            }
            let mut message = [0; MESSAGE];
            connection.read_exact(&mut message).unwrap();
            connection.write_all(&message).unwrap();
            connection.shutdown(std::net::Shutdown::Write).unwrap();
            let mut more = Vec::new();
            connection.read_to_end(&mut more).unwrap();
            bytes.push(MESSAGE + more.len());
        }
    }

    #[test]
    fn no_connection_is_used_twice() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, over) = (listener.local_addr().unwrap(), AtomicBool::new(false));
        let spec = Connect { warmup: Duration::ZERO, duration: Duration::from_millis(50) };
        std::thread::scope(|scope| {
            let server = scope.spawn(|| serve_counting(&listener, &over));
            let done = transactions(&spec, at).unwrap();
            over.store(true, Ordering::SeqCst);
            TcpStream::connect(at).unwrap();
            assert_eq!(server.join().unwrap(), vec![MESSAGE; done.samples.len()]);
            assert!(done.samples.len() > 1);
        });
    }
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn every_transaction_has_a_connection_of_its_own() {
        let rig = Rig::new();
        for v6 in [false, true] {
            let spec = Connect { warmup: Duration::from_millis(5), duration: Duration::from_millis(30) };
            let done = measure(&spec, &rig.way(v6)).unwrap();
            assert!(done.per_second > 0.0 && !done.samples.is_empty());
        }
    }
}
