//! The client's part of a ping-pong with a server elsewhere, or on a thread of this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::control::{Control, Job, Task, Word, out_of_turn};
use super::{Seat, server, watch};
use crate::error::{MeasureError, failed};
use crate::pingpong::end::{End, Link};
use crate::pingpong::play::{self, Exchange};
use crate::pingpong::{Gap, Proto, Side, open};
use crate::place::pin;

/// Everything about a ping-pong but its sizes. Where there are two, the first is the client's.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What carries the messages.
    pub proto: Proto,
    /// How the ends behave.
    pub sides: [Side; 2],
    /// Where they sit.
    pub seats: [Seat; 2],
    /// Messages the server sends before it waits.
    pub pongs: u32,
    /// The client's pause between two round trips.
    pub gap: Gap,
    /// Samples are whole round trips, not halves.
    pub rtt: bool,
}

/// When enough has been measured.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At least so long,
    pub min_time: Duration,
    /// and if there are enough, at most so long.
    pub max_time: Duration,
    /// At least so many,
    pub min_iterations: usize,
    /// and never more than so many.
    pub max_iterations: usize,
}

/// A ping-pong that has begun.
pub struct Game {
    control: Control,
    end: Arc<End>,
    rules: Rules,
    /// What the server says its `LD_PRELOAD` is.
    pub server_ld_preload: Option<String>,
    server: Option<JoinHandle<Result<(), MeasureError>>>,
    watch: Option<JoinHandle<()>>,
    /// A server's end in this process, kept until its thread has ended.
    _theirs: Option<Arc<End>>,
}

impl Game {
    /// Joins the server at the other end of `control`.
    pub fn join(control: Socket, rules: Rules) -> Result<Self, MeasureError> {
        settle(&rules.seats[0])?;
        let mut control = Control::new(Arc::new(control));
        let server_ld_preload = server::greeted(&mut control)?;
        let [side, their_side] = rules.sides.clone();
        let task = Task::PingPong {
            proto: rules.proto,
            client_pings: side.pings,
            pongs: rules.pongs,
            side: their_side,
        };
        control.say(&Word::Job(Box::new(Job { seat: rules.seats[1].clone(), task })))?;
        let near = control.local().ok_or_else(|| MeasureError::Peer("has no address".to_owned()))?;
        let link = link(&mut control, &rules, near)?;
        let end = Arc::new(End::new(link, &side)?);
        let watched = Arc::clone(&end);
        let watch = Some(watch::until_gone(control.share(), move || watched.wake(0)));
        Ok(Self { control, end, rules, server_ld_preload, server: None, watch, _theirs: None })
    }

    /// Plays with a thread of this process, over something that never leaves the machine.
    pub fn local(rules: Rules) -> Result<Self, MeasureError> {
        let (ours, theirs) = open::local(rules.proto)?;
        let [side, their_side] = rules.sides.clone();
        let (end, their_end) = (Arc::new(End::new(ours, &side)?), Arc::new(End::new(theirs, &their_side)?));
        let (a, b) = Socket::pair(socket2::Domain::UNIX, socket2::Type::STREAM, None)
            .map_err(failed("open", "a control connection"))?;
        let their_control = Arc::new(b);
        let (seat, pongs, client_pings) = (rules.seats[1].clone(), rules.pongs, side.pings);
        let (lent_end, lent_control) = (Arc::clone(&their_end), Arc::clone(&their_control));
        let server = thread::spawn(move || {
            seat.place().settle()?;
            let mut control = Control::new(lent_control);
            server::play(&mut control, &lent_end, &their_side, (client_pings, pongs))
        });
        settle(&rules.seats[0])?;
        let control = Control::new(Arc::new(a));
        let server_ld_preload = std::env::var("LD_PRELOAD").ok();
        let (server, theirs) = (Some(server), Some(their_end));
        Ok(Self { control, end, rules, server_ld_preload, server, watch: None, _theirs: theirs })
    }

    /// Plays with messages of one byte, for at least so long and so often.
    pub fn warm_up(&mut self, time: Duration, iterations: usize) -> Result<(), MeasureError> {
        // So many as no machine reaches: in the end it is the time that counts.
        let max_iterations = iterations.max(usize::try_from(time.as_nanos() / 1000).unwrap_or(usize::MAX));
        let limits = Limits { min_time: time, max_time: time, min_iterations: iterations, max_iterations };
        self.measure(1, limits).map(drop)
    }

    /// Samples in nanoseconds: half round trips, unless the rules say whole ones.
    pub fn measure(&mut self, size: usize, limits: Limits) -> Result<Vec<u64>, MeasureError> {
        let mut ticks = vec![1; limits.max_iterations.max(1)];
        let count = play_until(&self.control, &self.end, &self.rules, (size, limits), &mut ticks)?;
        let share = if self.rules.rtt { 1.0 } else { 0.5 };
        Ok(play::nanos(&ticks[..count], share))
    }

    /// Tells the server that this was all.
    pub fn finish(self) -> Result<(), MeasureError> {
        self.control.say(&Word::Play { rounds: 0, size: 0 })?;
        self.control.close();
        if let Some(watch) = self.watch {
            watch.join().expect("a watch does not panic");
        }
        self.server.map_or(Ok(()), |server| server.join().expect("a server does not panic"))
    }
}

fn settle(seat: &Seat) -> Result<(), MeasureError> {
    seat.cpu.map_or(Ok(()), pin)
}

fn link(control: &mut Control, rules: &Rules, near: SocketAddr) -> Result<Link, MeasureError> {
    let side = &rules.sides[0];
    let udp = match rules.proto {
        Proto::Udp => Some(rules.seats[0].udp(near)?),
        _ => None,
    };
    if let Some((_, here)) = &udp {
        control.say(&Word::Here(*here))?;
    }
    let there = match control.hear()? {
        Word::Ready(Some(there)) => there,
        word => return Err(out_of_turn(&word)),
    };
    match udp {
        Some((socket, _)) => server::udp_link(socket, there, side.connect),
        None => {
            let socket = open::connect(&rules.seats[0].place(), there)?;
            socket.set_tcp_nodelay(side.nodelay).map_err(failed("set TCP_NODELAY of", "a socket"))?;
            Ok(Link::Socket { socket: socket.into(), stream: true })
        }
    }
}

/// Batches of the least number of round trips, until all limits are content; says how many there were.
fn play_until(
    control: &Control,
    end: &End,
    rules: &Rules,
    (size, limits): (usize, Limits),
    ticks: &mut [u64],
) -> Result<usize, MeasureError> {
    let (started, mut count) = (Instant::now(), 0);
    let ours = &rules.sides[0];
    let exchange =
        Exchange { send: size, receive: size, pings: ours.pings, pongs: rules.pongs, more: ours.more };
    let most = limits.max_iterations.max(1);
    loop {
        let batch = limits.min_iterations.clamp(1, most - count);
        control.say(&Word::Play { rounds: batch as u64 + 1, size })?;
        // The first makes sure that the server listens, and is forgotten.
        play::ping(end, exchange, Gap::default(), None, &mut ticks[count..=count])?;
        count += play::ping(end, exchange, rules.gap, None, &mut ticks[count..count + batch])?;
        let elapsed = started.elapsed();
        let enough = elapsed >= limits.min_time && count >= limits.min_iterations;
        if count >= most || (enough && elapsed >= limits.max_time) {
            return Ok(count);
        }
    }
}
