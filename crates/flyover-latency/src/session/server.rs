//! The server's part: does what its one client says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::control::{Control, Job, Task, Word, out_of_turn};
use super::{others, watch};
use crate::error::{MeasureError, failed};
use crate::pingpong::end::{End, Link};
use crate::pingpong::play::{Exchange, pong};
use crate::pingpong::{Proto, Side};
use crate::place::pin;

/// Which versions of the Internet Protocol may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Families {
    /// Whether an address is of one of them.
    #[must_use]
    pub fn admits(self, address: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// A server that waits for its client.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Socket>,
}

impl Server {
    /// Listens on a port: on a socket for each version, for systems differ in what one for both does.
    pub fn bind(port: u16, families: Families) -> Result<Self, MeasureError> {
        let mut listeners = Vec::new();
        let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        for address in any.map(|ip| SocketAddr::new(ip, port)).into_iter().filter(|a| families.admits(*a)) {
            match listen(address) {
                Ok(socket) => listeners.push(socket),
                // A kernel without IPv6 is no reason not to serve IPv4.
                Err(_) if address.is_ipv6() && !listeners.is_empty() => {}
                Err(e) => return Err(failed("listen on", address.to_string())(e)),
            }
        }
        Ok(Self { listeners })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        Some(self.listeners.first()?.local_addr().ok()?.as_socket()?.port())
    }

    /// Waits for a client and calls `connected`; then does what it says, to the end.
    pub fn serve(self, connected: impl FnOnce()) -> Result<(), MeasureError> {
        let client = self.accept().map_err(failed("accept", "a client"))?;
        drop(self);
        connected();
        client.set_tcp_nodelay(true).map_err(failed("set TCP_NODELAY of", "a control connection"))?;
        let mut control = Control::new(Arc::new(client));
        let served = work(&mut control);
        if let Err(error) = &served {
            // It may be gone, which then is the error.
            let _told = control.say(&Word::Failed(chain(error)));
        }
        control.close();
        served
    }

    fn accept(&self) -> std::io::Result<Socket> {
        let mut waiting: Vec<_> =
            self.listeners.iter().map(|l| PollFd::new(l.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut waiting, PollTimeout::NONE)?;
        let ready = waiting.iter().position(|fd| fd.any() == Some(true)).unwrap_or(0);
        Ok(self.listeners[ready].accept()?.0)
    }
}

fn listen(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    Ok(socket)
}

/// The error and its causes in one line.
fn chain(error: &MeasureError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What a client hears first. Both must be of one version: the words between them have no other number.
pub(super) fn greeted(control: &mut Control) -> Result<Option<String>, MeasureError> {
    match control.hear()? {
        Word::Hello { version, ld_preload } if version == env!("CARGO_PKG_VERSION") => Ok(ld_preload),
        Word::Hello { version, .. } => {
            Err(MeasureError::Peer(format!("is version {version}, and we are {}", env!("CARGO_PKG_VERSION"))))
        }
        word => Err(out_of_turn(&word)),
    }
}

fn work(control: &mut Control) -> Result<(), MeasureError> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    control.say(&Word::Hello { version, ld_preload: std::env::var("LD_PRELOAD").ok() })?;
    let job = match control.hear()? {
        Word::Job(job) => *job,
        word => return Err(out_of_turn(&word)),
    };
    if let Some(cpu) = job.seat.cpu {
        pin(cpu)?;
    }
    match &job.task {
        Task::PingPong { proto, side, client_pings, pongs } => {
            let end = Arc::new(End::new(link(control, &job, *proto, side)?, side)?);
            let watched = Arc::clone(&end);
            let watch = watch::until_gone(control.share(), move || watched.wake(0));
            let played = play(control, &end, side, (*client_pings, *pongs));
            control.close();
            watch.join().expect("a watch does not panic");
            played
        }
        Task::Stream => others::serve_stream(control, &job.seat),
        Task::Throughput { streams } => others::serve_throughput(control, &job.seat, *streams),
        Task::Connect => others::serve_connect(control, &job.seat),
    }
}

/// Where the job's sockets go: to the interface the client came by.
pub(super) fn near(control: &Control) -> Result<SocketAddr, MeasureError> {
    control.local().ok_or_else(|| MeasureError::Peer("has no address".to_owned()))
}

fn link(control: &mut Control, job: &Job, proto: Proto, side: &Side) -> Result<Link, MeasureError> {
    match proto {
        Proto::Tcp => {
            let (listener, bound) = job.seat.listen(near(control)?)?;
            control.say(&Word::Ready(Some(bound)))?;
            let (socket, _) = listener.accept().map_err(failed("accept on", bound.to_string()))?;
            socket.set_tcp_nodelay(side.nodelay).map_err(failed("set TCP_NODELAY of", "a socket"))?;
            Ok(Link::Socket { socket: socket.into(), stream: true })
        }
        Proto::Udp => {
            let (socket, here) = job.seat.udp(near(control)?)?;
            control.say(&Word::Ready(Some(here)))?;
            match control.hear()? {
                Word::Here(there) => udp_link(socket, there, side.connect),
                word => Err(out_of_turn(&word)),
            }
        }
        local => Err(MeasureError::Peer(format!("asked for a {local} between two machines"))),
    }
}

pub(super) fn udp_link(socket: UdpSocket, peer: SocketAddr, connect: bool) -> Result<Link, MeasureError> {
    if !connect {
        return Ok(Link::Unconnected { socket: socket.into(), peer });
    }
    socket.connect(peer).map_err(failed("connect to", peer.to_string()))?;
    Ok(Link::Socket { socket: socket.into(), stream: false })
}

/// Answers as many round trips as the client says, until it says none.
pub(super) fn play(
    control: &mut Control,
    end: &End,
    side: &Side,
    (client_pings, pongs): (u32, u32),
) -> Result<(), MeasureError> {
    let over = AtomicBool::new(false);
    loop {
        match control.hear()? {
            Word::Play { rounds: 0, .. } => return Ok(()),
            Word::Play { rounds, size } => {
                let pings = side.pings.max(1);
                // A stream's bytes may be taken in another number of pieces than they were sent in.
                let receive = size * client_pings.max(1) as usize / pings as usize;
                let exchange = Exchange { send: size, receive, pings, pongs, more: side.more };
                pong(end, exchange, rounds, &over)?;
            }
            word => return Err(out_of_turn(&word)),
        }
    }
}
