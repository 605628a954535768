//! One lab of the two: where packets are put in, and where they are looked at.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flyover_core::{IfName, Proto};
use flyover_lab::{Lab, LabGuard, LabName, LabSpec, Place};
use flyover_net::sysctl;
use socket2::{Domain, SockFilter, Socket, Type};

use crate::frame::{FENCE, Line, frames};
use crate::shot::{Body, Shot};
use crate::sys::{Frame, Tap};

/// Source ports of the fences, one a direction so that they are never a flow of two directions.
const FENCE_PORTS: [u16; 2] = [9, 10];
/// The port they go to, which no policy of a lab forbids.
pub(crate) const FENCED: u16 = 80;
const PATIENCE: Duration = Duration::from_secs(10);

/// A device that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Eye {
    /// The sender's.
    A,
    /// The receiver's.
    B,
    /// The wire, at the first node.
    Wire1,
    /// The wire, at the second.
    Wire2,
}

impl Eye {
    pub(crate) const ALL: [Self; 4] = [Self::A, Self::B, Self::Wire1, Self::Wire2];
}

/// What came to each device.
pub(crate) type Seen = [Vec<Frame>; Eye::ALL.len()];

/// A lab with its eyes open.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) lab: LabGuard,
    taps: Vec<Tap>,
    /// Ports that nobody answers from, nor with an error.
    sinks: Vec<Socket>,
    ends: (Place, Place),
}

impl Site {
    /// Builds it; `b` is where the receiver is.
    pub(crate) fn up(spec: &LabSpec, name: &str, b: Place) -> Self {
        let name: LabName = name.parse().expect("the names of twins are short and plain");
        let spec = LabSpec { name, ..spec.clone() };
        let lab = Lab::up(&spec).expect("a test of twin labs needs root and the lab's tools").guarded();
        let ends = (Place::Pod(1, 1), b);
        for place in [Place::Node(1), Place::Node(2), ends.0, b] {
            lab.netns(place).and_then(|n| Ok(n.run(talk_freely)?)).expect("the place is there");
        }
        let mut site = Self { lab, taps: Vec::new(), sinks: Vec::new(), ends };
        site.taps = Eye::ALL.map(|eye| site.tap(eye)).into();
        site
    }

    fn place(&self, eye: Eye) -> Place {
        match eye {
            Eye::A => self.ends.0,
            Eye::B => self.ends.1,
            Eye::Wire1 => Place::Node(1),
            Eye::Wire2 => Place::Node(2),
        }
    }

    fn tap(&self, eye: Eye) -> Tap {
        let device: IfName = "eth0".parse().expect("it is a name");
        self.inside(self.place(eye), || Tap::on(&device)).expect("a packet socket needs root")
    }

    /// Does something at a place.
    pub(crate) fn inside<T>(&self, place: Place, work: impl FnOnce() -> T) -> T {
        self.lab.netns(place).and_then(|netns| Ok(netns.run(work)?)).expect("the place is there")
    }

    /// Takes the ports of a flow at both ends, and throws away what comes to them.
    pub(crate) fn sink(&mut self, proto: Proto, ends: [SocketAddr; 2]) {
        for (place, at) in [(self.ends.0, ends[0]), (self.ends.1, ends[1])] {
            let socket = self.inside(place, || sink(proto, at));
            self.sinks.push(socket.expect("the ports of a flow are free"));
        }
    }

    /// Gives all ports back.
    pub(crate) fn unsink(&mut self) {
        self.sinks.clear();
    }

    /// Sends the frames of a shot from an end; a frame that the device refuses is told by its error.
    pub(crate) fn shoot(&self, shot: &Shot, line: &Line, seen: &mut Seen) -> Vec<Option<io::ErrorKind>> {
        let eye = if shot.back { Eye::B } else { Eye::A };
        let send = |frame| {
            let sent = self.send(eye, &frame);
            // The rings are short.
            self.collect(seen);
            sent.err().map(|e| e.kind())
        };
        frames(shot, line).into_iter().map(send).collect()
    }

    /// Sends a frame out of a device.
    pub(crate) fn send(&self, eye: Eye, frame: &Frame) -> io::Result<()> {
        self.taps[eye as usize].send(frame)
    }

    /// Waits until everything sent so far has gone where it goes.
    pub(crate) fn settle(&self, lines: &[Line; 2], seen: &mut Seen) {
        for back in [false, true] {
            self.fence(&lines[usize::from(back)], back, seen);
        }
        self.collect(seen);
    }

    /// What has come to a device since it was looked at last; nothing longer than 32 kB may have.
    pub(crate) fn look(&self, eye: Eye) -> Vec<Frame> {
        std::iter::from_fn(|| self.taps[eye as usize].next()).collect()
    }

    fn collect(&self, seen: &mut Seen) {
        for (tap, seen) in self.taps.iter().zip(seen) {
            seen.extend(std::iter::from_fn(|| tap.next()));
        }
    }

    /// Sends a packet that is slow on every node, and waits until it is there.
    fn fence(&self, line: &Line, back: bool, seen: &mut Seen) {
        let port = FENCE_PORTS[usize::from(back)];
        let line = Line { sport: port, dport: FENCED, ..*line };
        let frame = frames(&Shot::plain(Body::Fence), &line).remove(0);
        let (from, to) = if back { (Eye::B, Eye::A) } else { (Eye::A, Eye::B) };
        self.send(from, &frame).expect("a small packet is sent");
        let arrived = |seen: &Seen| seen[to as usize].iter().any(|f| f.bytes.ends_with(FENCE));
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.collect(seen);
            if arrived(seen) {
                return;
            }
            assert!(Instant::now() < deadline, "a fence did not arrive from {from:?}");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Errors as often as there is reason to: their limits go by the clock.
fn talk_freely() {
    for (key, value) in [
        ("net.ipv4.icmp_ratelimit", "0"),
        ("net.ipv4.icmp_msgs_per_sec", "100000"),
        ("net.ipv4.icmp_msgs_burst", "100000"),
        ("net.ipv6.icmp.ratelimit", "0"),
    ] {
        // Some kernels have the limits of all namespaces in the first one.
        let _ = sysctl::write(key, value);
    }
}

/// A socket that drops whatever comes: the kernel answers nothing to who talks to a port that is taken.
fn sink(proto: Proto, at: SocketAddr) -> io::Result<Socket> {
    let kind = if proto == Proto::Tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    // `ret #0`
    socket.attach_filter(&[SockFilter::new(6, 0, 0, 0)])?;
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    if proto == Proto::Tcp {
        socket.listen(1)?;
    }
    Ok(socket)
}
