//! A server and its client on loopback, as two processes would talk.

use std::thread;

use super::*;
use crate::connect::Connect;
use crate::pingpong::{Gap, Muxer, Proto, Side};
use crate::stream::Offer;
use crate::throughput::Throughput;

fn side() -> Side {
    Side { pings: 1, ..Side::default() }
}

fn rules(proto: Proto) -> Rules {
    Rules {
        proto,
        sides: [side(), side()],
        seats: [Seat::default(), Seat::default()],
        pongs: 1,
        gap: Gap::default(),
        rtt: false,
    }
}

const FEW: Limits = Limits {
    min_time: Duration::from_millis(1),
    max_time: Duration::from_millis(5),
    min_iterations: 10,
    max_iterations: 95,
};

/// Serves one client while `client` runs with a connection to it.
fn with_server<T>(host: &str, client: impl FnOnce(Socket) -> T) -> T {
    let families = if host == "::1" { Families::V6 } else { Families::V4 };
    let server = Server::bind(0, families).unwrap();
    let port = server.port().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(|| server.serve(|| {}));
        let result = client(dial(host, port, families, &mut || {}).unwrap());
        server.join().unwrap().unwrap();
        result
    })
}

fn played(mut game: Game) -> Vec<u64> {
    game.warm_up(Duration::from_millis(1), 10).unwrap();
    let samples = game.measure(64, FEW).unwrap();
    assert!((10..=95).contains(&samples.len()));
    game.measure(2000, FEW).unwrap();
    game.finish().unwrap();
    samples
}

#[test]
fn tcp_and_udp_are_played_over_ipv4_and_ipv6() {
    for proto in [Proto::Tcp, Proto::Udp] {
        for host in ["127.0.0.1", "::1"] {
            with_server(host, |control| played(Game::join(control, rules(proto)).unwrap()));
        }
    }
}

#[test]
fn what_never_leaves_the_machine_needs_no_server() {
    for proto in [Proto::Pipe, Proto::UnixStream, Proto::UnixDatagram] {
        for muxer in Muxer::ALL {
            let mut rules = rules(proto);
            rules.sides[1].muxer = muxer;
            played(Game::local(rules).unwrap());
        }
    }
}

#[test]
fn the_two_sides_may_behave_differently() {
    let mut rules = rules(Proto::Tcp);
    rules.sides[0] = Side { spin: true, nodelay: true, pings: 4, ..side() };
    rules.sides[1] = Side { muxer: Muxer::EpollMod, nodelay: true, pings: 2, ..side() };
    rules.pongs = 3;
    with_server("127.0.0.1", |control| played(Game::join(control, rules).unwrap()));
}

#[test]
fn multicast_reaches_the_server_and_comes_back() {
    let mut rules = rules(Proto::Udp);
    for seat in &mut rules.seats {
        seat.mcast = Some("224.1.2.48".parse().unwrap());
        seat.mcast_interface = Some("lo".to_owned());
        seat.mcast_loop = true;
    }
    with_server("127.0.0.1", |control| played(Game::join(control, rules).unwrap()));
}

#[test]
fn round_trips_are_twice_the_halves() {
    let mut whole = rules(Proto::Pipe);
    whole.rtt = true;
    assert!(!played(Game::local(whole).unwrap()).is_empty());
}

#[test]
fn streams_bulk_and_connections_have_servers_too() {
    let seats = [Seat::default(), Seat::default()];
    let (warmup, duration) = (Duration::from_millis(5), Duration::from_millis(20));
    with_server("127.0.0.1", |control| {
        let offers = [1000, 5000].map(|rate| Offer { rate, size: 64, duration, spin: rate == 5000 });
        let mut seen = Vec::new();
        stream(control, &seats, &offers, &mut |offer, outcome| {
            seen.push((offer.rate, outcome.sent));
            assert!(outcome.received <= outcome.sent && outcome.samples.len() as u64 == outcome.received);
            true
        })
        .unwrap();
        assert_eq!(seen, [(1000, 20), (5000, 100)]);
    });
    with_server("127.0.0.1", |control| {
        let carried = throughput(control, &seats, &Throughput { streams: 2, warmup, duration }).unwrap();
        assert!(carried.bytes > 0);
    });
    with_server("::1", |control| {
        assert!(!connect(control, &seats, &Connect { warmup, duration }).unwrap().samples.is_empty());
    });
}

#[test]
fn a_client_that_goes_away_in_the_middle_does_not_leave_the_server_waiting() {
    for proto in [Proto::Tcp, Proto::Udp] {
        let server = Server::bind(0, Families::V4).unwrap();
        let port = server.port().unwrap();
        let served = thread::scope(|scope| {
            let server = scope.spawn(|| server.serve(|| {}));
            let control = dial("127.0.0.1", port, Families::V4, &mut || {}).unwrap();
            let cut = control.try_clone().unwrap();
            let mut game = Game::join(control, rules(proto)).unwrap();
            game.measure(64, FEW).unwrap();
            cut.shutdown(std::net::Shutdown::Both).unwrap();
            assert!(game.measure(64, FEW).is_err());
            server.join().unwrap()
        });
        assert!(served.is_err(), "{proto}");
    }
}

#[test]
fn a_server_that_cannot_says_why() {
    let server = Server::bind(0, Families::V4).unwrap();
    let port = server.port().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(|| server.serve(|| {}));
        let control = dial("127.0.0.1", port, Families::V4, &mut || {}).unwrap();
        let mut rules = rules(Proto::Udp);
        rules.seats[1].device = Some("no-such-dev".to_owned());
        let error = Game::join(control, rules).err().unwrap().to_string();
        assert!(error.contains("failed: failed to set options of a UDP socket: No such device"), "{error}");
        assert!(server.join().unwrap().is_err());
    });
}
