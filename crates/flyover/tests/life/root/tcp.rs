//! A TCP conversation of which every byte is known: what arrives is what was sent, or the test says so.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flyover_core::{Flow, Proto};
use flyover_net::netns::Netns;
use socket2::{Domain, Socket, Type};

use super::rig::{PATIENCE, Rig};

/// The bytes repeat after this many; a prime, so that no packet size divides it.
const PERIOD: usize = 65_521;
const CHUNK: usize = 1 << 16;

/// Byte counts of one conversation, as its two ends see them.
#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    /// Received by the server and by the client.
    got: [AtomicU64; 2],
}

/// A conversation that goes on until it is finished.
pub(super) struct Talk {
    counts: Arc<Counts>,
    ends: Vec<JoinHandle<u64>>,
    pub(super) flow: Flow,
}

fn pattern() -> Vec<u8> {
    // Twice, so that any chunk can be cut out of it.
    (0..2 * PERIOD + CHUNK).map(|i| u8::try_from(((i % PERIOD * 131) >> 4) & 0xff).unwrap()).collect()
}

fn place(position: u64) -> usize {
    usize::try_from(position % PERIOD as u64).unwrap()
}

/// Writes the pattern until told to stop; returns how much.
fn send(mut to: TcpStream, counts: &Counts, chunk: usize, every: Duration) -> u64 {
    let (pattern, mut sent) = (pattern(), 0);
    while !counts.stop.load(Ordering::Relaxed) {
        let from = place(sent);
        match to.write(&pattern[from..from + chunk]) {
            Ok(n) => sent += n as u64,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => panic!("after {sent} bytes the connection failed: {e}"),
        }
        if !every.is_zero() {
            thread::sleep(every);
        }
    }
    to.shutdown(Shutdown::Write).unwrap();
    sent
}

/// Reads to the end, and holds what comes against the pattern; returns how much.
fn hear(mut from: TcpStream, counter: &AtomicU64) -> u64 {
    let (pattern, mut buffer, mut got) = (pattern(), vec![0; CHUNK], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return got,
            Ok(n) => {
                let at = place(got);
                assert!(
                    buffer[..n] == pattern[at..at + n],
                    "bytes {got} to {} are not what was sent",
                    got + n as u64
                );
                got += n as u64;
                counter.store(got, Ordering::Relaxed);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => panic!("after {got} bytes the connection failed: {e}"),
        }
    }
}

fn connect(client: &Netns, from: SocketAddr, to: SocketAddr, server: &Netns) -> (TcpStream, TcpStream) {
    let listener = server.run(|| TcpListener::bind((IpAddr::from([0; 4]), to.port()))).unwrap().unwrap();
    let dial = || {
        let socket = Socket::new(Domain::for_address(from), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&from.into())?;
        socket.connect_timeout(&to.into(), PATIENCE)?;
        std::io::Result::Ok(TcpStream::from(socket))
    };
    let dialled = client.run(dial).unwrap().unwrap();
    let (accepted, _) = listener.accept().unwrap();
    for stream in [&dialled, &accepted] {
        stream.set_read_timeout(Some(PATIENCE * 4)).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    (dialled, accepted)
}

impl Talk {
    /// Both ends send `chunk` bytes every so often, and hear what the other sends.
    pub(super) fn start(client: &Netns, flow: Flow, server: &Netns, chunk: usize, every: Duration) -> Self {
        let (dialled, accepted) = connect(client, flow.src, flow.dst, server);
        let counts = Arc::new(Counts::default());
        let mut ends = Vec::new();
        for (i, (to, from)) in [(&dialled, &accepted), (&accepted, &dialled)].into_iter().enumerate() {
            let (to, from) = (to.try_clone().unwrap(), from.try_clone().unwrap());
            let (mouth, ear) = (Arc::clone(&counts), Arc::clone(&counts));
            ends.push(thread::spawn(move || send(to, &mouth, chunk, every)));
            ends.push(thread::spawn(move || hear(from, &ear.got[i])));
        }
        Self { counts, ends, flow }
    }

    /// Bytes that arrived at the server, and at the client.
    pub(super) fn got(&self) -> [u64; 2] {
        [0, 1].map(|i| self.counts.got[i].load(Ordering::Relaxed))
    }

    /// Waits until that many more bytes arrived at both ends; how long it took.
    pub(super) fn wait_for(&self, bytes: u64, patience: Duration) -> Duration {
        let (before, start) = (self.got(), Instant::now());
        while self.got().iter().zip(before).any(|(now, then)| now - then < bytes) {
            assert!(
                start.elapsed() < patience,
                "of {bytes} bytes {:?} came, {:?} before",
                self.got(),
                before
            );
            assert!(!self.ends.iter().any(JoinHandle::is_finished), "an end of the connection failed");
            thread::sleep(Duration::from_millis(10));
        }
        start.elapsed()
    }

    /// Ends it; each end must have heard all that the other sent.
    pub(super) fn finish(mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        let ends: Vec<_> = self.ends.drain(..).map(|end| end.join().unwrap()).collect();
        assert_eq!((ends[0], ends[2]), (ends[1], ends[3]));
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
    }
}

impl Rig {
    /// A conversation between the first pods of both nodes: small messages, or as fast as it goes.
    pub(super) fn talk(&self, from: u16, to: u16, chunk: usize, every: Duration) -> Talk {
        let flow = Flow { proto: Proto::Tcp, ..self.udp(from, to) };
        Talk::start(&self.netns("n1/p1"), flow, &self.netns("n2/p1"), chunk, every)
    }

    /// One of small messages.
    pub(super) fn chat(&self, from: u16, to: u16) -> Talk {
        self.talk(from, to, 100, Duration::from_millis(2))
    }
}
