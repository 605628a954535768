//! Numbered datagrams at a steady pace, answered by whoever gets them, with the time of each arrival.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flyover_core::Flow;
use flyover_net::netns::Netns;
use socket2::{Domain, Socket, Type};

use super::rig::{PATIENCE, Rig};

/// How long an end listens before it looks whether it shall stop.
const TURN: Duration = Duration::from_millis(50);
/// After this much silence nothing is on its way any more.
const SILENCE: Duration = Duration::from_millis(300);

/// One datagram that arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) number: u32,
    pub(super) at: Instant,
    pub(super) from: SocketAddr,
}

type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// A thread that ends with its owner.
struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(work: impl Fn() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                work();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// A socket in that namespace whose queue does not overflow while its thread waits for a CPU.
pub(super) fn socket(netns: &Netns, at: SocketAddr) -> UdpSocket {
    let open = || {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, None)?;
        socket.set_reuse_address(true)?;
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &(16 << 20))?;
        socket.set_read_timeout(Some(TURN))?;
        socket.bind(&at.into())?;
        std::io::Result::Ok(socket.into())
    };
    netns.run(open).unwrap().unwrap()
}

fn hear(socket: &UdpSocket, arrivals: &Arrivals) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 2048];
    let (len, from) = socket.recv_from(&mut buffer).ok()?;
    let number = u32::from_be_bytes(buffer[..4].try_into().unwrap());
    arrivals.lock().unwrap().push(Arrival { number, at: Instant::now(), from });
    Some((buffer[..len].to_vec(), from))
}

/// Answers every datagram with itself.
pub(super) struct Echo {
    arrivals: Arrivals,
    _worker: Worker,
}

impl Echo {
    pub(super) fn on(netns: &Netns, at: SocketAddr) -> Self {
        let (socket, arrivals) = (socket(netns, at), Arrivals::default());
        let heard = Arc::clone(&arrivals);
        let worker = Worker::start(move || {
            if let Some((datagram, from)) = hear(&socket, &heard) {
                // There may be no way back at the moment.
                let _sent = socket.send_to(&datagram, from);
            }
        });
        Self { arrivals, _worker: worker }
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.arrivals.lock().unwrap().len()
    }

    pub(super) fn last(&self) -> Option<Arrival> {
        self.arrivals.lock().unwrap().last().copied()
    }

    /// Waits until datagrams that were sent after now arrive.
    pub(super) fn wait_alive(&self) -> Instant {
        let (since, deadline) = (Instant::now(), Instant::now() + PATIENCE);
        loop {
            // One from before may still be on its way.
            if let Some(last) = self.last().filter(|last| last.at > since + Duration::from_millis(20)) {
                return last.at;
            }
            assert!(Instant::now() < deadline, "nothing arrives any more");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing arrives any more; how long after `change` the last one came.
    pub(super) fn wait_silent(&self, change: Instant, silence: Duration) -> Duration {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = self.last().map_or(change, |last| last.at.max(change));
            if last.elapsed() > silence {
                return last - change;
            }
            assert!(Instant::now() < deadline, "datagrams still arrive");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends numbered datagrams, and hears the answers.
pub(super) struct Sender {
    sent: Arc<AtomicU32>,
    answers: Arrivals,
    sending: Option<Worker>,
    hearing: Option<Worker>,
}

impl Sender {
    pub(super) fn start(
        netns: &Netns,
        from: SocketAddr,
        to: SocketAddr,
        size: usize,
        every: Duration,
    ) -> Self {
        let socket = Arc::new(socket(netns, from));
        let (sent, answers) = (Arc::new(AtomicU32::new(0)), Arrivals::default());
        let (number, mouth, start) = (Arc::clone(&sent), Arc::clone(&socket), Instant::now());
        let sending = Worker::start(move || {
            let n = number.load(Ordering::Relaxed);
            let mut datagram = vec![0x5a; size.max(4)];
            datagram[..4].copy_from_slice(&n.to_be_bytes());
            // What could not even be sent is as lost as what was.
            let _sent = mouth.send_to(&datagram, to);
            number.store(n + 1, Ordering::Relaxed);
            thread::sleep((start + every * (n + 1)).saturating_duration_since(Instant::now()));
        });
        let heard = Arc::clone(&answers);
        let hearing = Worker::start(move || drop(hear(&socket, &heard)));
        Self { sent, answers, sending: Some(sending), hearing: Some(hearing) }
    }

    pub(super) fn answers(&self) -> usize {
        self.answers.lock().unwrap().len()
    }

    /// Who answered.
    pub(super) fn heard_from(&self) -> BTreeSet<SocketAddr> {
        self.answers.lock().unwrap().iter().map(|a| a.from).collect()
    }

    /// Stops, waits for what is on its way, and counts what never arrived: there, and back here.
    pub(super) fn lost(&mut self, echoes: &[&Echo]) -> (usize, usize) {
        self.sending = None;
        thread::sleep(SILENCE);
        self.hearing = None;
        let sent = usize::try_from(self.sent.load(Ordering::Relaxed)).unwrap();
        let there: BTreeSet<_> = echoes.iter().flat_map(|e| e.arrivals()).map(|a| a.number).collect();
        let back: BTreeSet<_> = self.answers.lock().unwrap().iter().map(|a| a.number).collect();
        (sent - there.len(), sent - back.len())
    }
}

impl Rig {
    /// A flow of small datagrams, one each millisecond, and who answers them.
    pub(super) fn stream(&self, flow: Flow) -> (Sender, Echo) {
        self.stream_of(flow, 64, Duration::from_millis(1))
    }

    pub(super) fn stream_of(&self, flow: Flow, size: usize, every: Duration) -> (Sender, Echo) {
        let echo = Echo::on(&self.netns("n2/p1"), flow.dst);
        let sender = Sender::start(&self.netns("n1/p1"), flow.src, flow.dst, size, every);
        (sender, echo)
    }
}
