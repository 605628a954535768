//! What programs see: sockets on both ends of a flow that is open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use flyover_core::Proto::{Tcp, Udp};
use flyover_host::cmd::Cmd;
use flyover_lab::Family::{V4, V6};
use flyover_lab::Place;

use super::{spec, talk};
use crate::flow::{Path, Talk};
use crate::shot::{Body, Shot, Sum};
use crate::site::Site;
use crate::twins::Twins;

/// Nothing in a lab takes this long.
const SILENCE: Duration = Duration::from_millis(300);

/// Both ends of a talk, after a few words each way.
pub(super) fn converse(site: &Site, talk: &Talk, to: SocketAddr) -> [UdpSocket; 2] {
    let [a, b] = talk.ends();
    let open = |place, at: SocketAddr| site.inside(place, || UdpSocket::bind(at)).unwrap();
    let (a, b) = (open(Place::Pod(1, 1), a), open(talk.path.receiver(), b));
    a.connect(to).unwrap();
    for socket in [&a, &b] {
        socket.set_read_timeout(Some(SILENCE)).unwrap();
    }
    let mut heard = [0; 8];
    for _ in 0..3 {
        a.send(b"ask").unwrap();
        let (len, from) = b.recv_from(&mut heard).unwrap();
        b.send_to(&heard[..len], from).unwrap();
        a.recv(&mut heard).unwrap();
    }
    [a, b]
}

/// The bypass carries the flow: the books say so.
pub(super) fn assert_open(twins: &Twins, talk: &Talk, ends: &[UdpSocket; 2], to: SocketAddr) {
    let before = twins.bypassed(talk);
    ends[0].send(b"more").unwrap();
    let _ = ends[1].recv(&mut [0; 8]).unwrap();
    assert_eq!(twins.bypassed(talk), before + 1, "{talk:?} to {to} is not bypassed");
}

/// A TCP connection whose receiver throws away what it gets.
pub(super) fn connect(site: &Site, talk: &Talk) -> TcpStream {
    let [a, b] = talk.ends();
    let listener = site.inside(talk.path.receiver(), || TcpListener::bind(b)).unwrap();
    let dial = || {
        let socket = socket2::Socket::new(socket2::Domain::for_address(a), socket2::Type::STREAM, None)?;
        socket.bind(&a.into())?;
        socket.connect(&b.into())?;
        std::io::Result::Ok(TcpStream::from(socket))
    };
    let stream = site.inside(Place::Pod(1, 1), dial).unwrap();
    let (mut heard, _) = listener.accept().unwrap();
    thread::spawn(move || {
        let mut all = vec![0; 1 << 20];
        // The last byte is answered, so that the sender knows that all has arrived.
        while let Ok(len @ 1..) = heard.read(&mut all) {
            if all[len - 1] == b'?' && heard.write_all(b"!").is_err() {
                break;
            }
        }
    });
    stream
}

#[test]
fn four_thousand_bytes_arrive_on_an_open_flow() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for family in [V4, V6] {
        let talk = Talk { sport: 30_000, ..talk(Path::Across, family, Udp) };
        let to = talk.ends()[1];
        for (site, fast) in twins.sites.iter().zip([false, true]) {
            let ends = converse(site, &talk, to);
            if fast {
                assert_open(&twins, &talk, &ends, to);
            }
            for i in 0..20_u8 {
                ends[0].send(&[i; 4_000]).unwrap();
                let mut heard = [0; 5_000];
                assert_eq!(ends[1].recv(&mut heard).unwrap(), 4_000, "{family}, bypass {fast}, datagram {i}");
                assert_eq!(heard[..4_000], [i; 4_000]);
            }
        }
    }
}

/// Conntrack drops it in one lab and the pod in the other; that no socket gets it is the same.
#[test]
fn a_wrong_checksum_reaches_no_socket() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for (family, path) in [(V4, Path::Across), (V6, Path::Across), (V4, Path::Service), (V6, Path::Service)] {
        let talk = Talk { sport: 31_000, ..talk(path, family, Udp) };
        let line = talk.lines(talk.sport)[0];
        let to = SocketAddr::new(line.dst, line.dport);
        for (site, fast) in twins.sites.iter().zip([false, true]) {
            let ends = converse(site, &talk, to);
            if fast {
                assert_open(&twins, &talk, &ends, to);
            }
            for df in [true, false] {
                let wrong = Shot::plain(Body::Udp { len: 100, sum: Sum::Wrong }).with(|s| s.df = df);
                site.shoot(&wrong, &line, &mut Default::default());
            }
            assert!(ends[1].recv(&mut [0; 200]).is_err(), "{path:?} {family}, bypass {fast}");
        }
    }
}

/// Bytes that wait in the first node's uplink.
fn backlog(site: &Site) -> u64 {
    let show = Cmd::new("tc").args(["-s", "-j", "qdisc", "show", "dev", "eth0"]);
    let shown = site.inside(Place::Node(1), || show.run()).unwrap();
    let bytes = shown.split("\"backlog\":").nth(1).unwrap();
    bytes.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// A sender is told to wait by the packets it has on this machine: who cuts that tie fills every queue.
#[test]
fn a_slow_uplink_holds_a_sender_back_alike() {
    let shape = |site: &Site| {
        let shape = "qdisc add dev eth0 root tbf rate 80mbit burst 100kb limit 8mb";
        site.inside(Place::Node(1), || Cmd::new("tc").args(shape.split(' ')).run()).unwrap();
    };
    let twins = Twins::up(&spec(), Path::Across.receiver(), shape);
    let talk = Talk { sport: 34_000, ..talk(Path::Across, V4, Tcp) };
    let [slow, fast] = [&twins.sites[0], &twins.sites[1]].map(|site| {
        let mut stream = connect(site, &talk);
        let start = std::time::Instant::now();
        let mut most = 0;
        while start.elapsed() < Duration::from_millis(1_500) {
            stream.write_all(&[7; 100_000]).unwrap();
            most = most.max(backlog(site));
        }
        (most, twins.bypassed(&talk))
    });
    assert!(fast.1 > 20, "{} packets were fast", fast.1);
    assert!(
        slow.0 > 0 && fast.0 < slow.0 * 2 + 100_000,
        "{} bytes waited without, {} with the bypass",
        slow.0,
        fast.0
    );
}
