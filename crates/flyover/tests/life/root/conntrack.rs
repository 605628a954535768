//! What conntrack makes of flows it sees only samples of: nothing expires, nothing is invalid, nothing stays behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use flyover_core::{Flow, Proto};
use flyover_lab::IpMode;
use nix::sys::signal::Signal;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::rig::{Rig, eventually};
use super::tcp::Talk;
use super::udp::{Echo, Sender};

/// Packets that the rules of both nodes dropped as invalid.
fn invalid(rig: &Rig) -> u64 {
    let count = |node: &str| -> u64 {
        let rules = rig.at(node, "nft list chain ip kube-proxy filter-forward");
        let line = rules.lines().find(|l| l.contains("ct state invalid")).unwrap();
        line.split_whitespace().skip_while(|w| *w != "packets").nth(1).unwrap().parse().unwrap()
    };
    count("n1") + count("n2")
}

#[test]
fn a_long_conversation_is_never_invalid_nor_is_it_after_off() {
    let rig = Rig::fast("long", |_| {}, &[]);
    let bytes: u64 = 5_000_000_000;
    let talk = rig.talk(4300, 7300, 1 << 16, Duration::ZERO);
    rig.wait_fast_all(talk.flow);
    let took = talk.wait_for(bytes / 2, Duration::from_secs(600));
    eprintln!("measured: {} bytes each way in {took:.1?}", bytes / 2);
    assert_eq!(invalid(&rig), 0);
    for node in [1, 2] {
        let (fast, flow) = (rig.bypassed(node, talk.flow), talk.flow);
        assert!(fast > 5_000, "n{node}: {fast} packets of {flow} were fast");
    }
    rig.off();
    talk.wait_for(16 << 20, Duration::from_secs(60));
    assert_eq!(invalid(&rig), 0, "the slow path takes over mid-stream");
    rig.on(&[]);
    rig.wait_fast_all(talk.flow);
    talk.finish();
    assert_eq!(invalid(&rig), 0);
}

#[test]
fn conversations_of_any_speed_and_length_are_never_invalid() {
    let rig = Rig::fast("speeds", |_| {}, &[]);
    // A byte at a time; seldom enough that each message finds its lease over; bursts; as fast as it goes.
    let talks = [(1, 1), (100, 1300), (1 << 16, 250), (1 << 16, 0)];
    let mut port = 4310;
    let talks = talks.map(|(chunk, every)| {
        port += 1;
        rig.talk(port, port + 3000, chunk, Duration::from_millis(every))
    });
    // Some are over soon, and others come in their place.
    for _ in 0..20 {
        port += 1;
        let short = rig.talk(port, port + 3000, 1000, Duration::from_millis(1));
        short.wait_for(20_000, Duration::from_secs(20));
        short.finish();
    }
    thread::sleep(Duration::from_secs(3));
    for node in [1, 2] {
        let fast: Vec<_> = talks.iter().map(|t| rig.bypassed(node, t.flow)).collect();
        // One message a lease: that one renews, and its answer in TCP may be fast.
        assert!([0, 2, 3].iter().all(|&i| fast[i] > 20), "on n{node}: {fast:?}");
    }
    assert_eq!(invalid(&rig), 0);
    rig.off();
    let before = talks.each_ref().map(Talk::got);
    thread::sleep(Duration::from_secs(3));
    for (talk, before) in talks.iter().zip(before) {
        assert!(talk.got().iter().zip(before).all(|(now, then)| *now > then), "{} goes on", talk.flow);
    }
    talks.into_iter().for_each(Talk::finish);
    assert_eq!(invalid(&rig), 0);
}

/// A node forgets a flow that is silent for a few seconds.
fn forget_soon(rig: &Rig) {
    for node in ["n1", "n2"] {
        for (name, seconds) in [("tcp_timeout_established", 4), ("udp_timeout", 3), ("udp_timeout_stream", 3)]
        {
            rig.at(node, &format!("sysctl -qw net.netfilter.nf_conntrack_{name}={seconds}"));
        }
        // An entry that did expire would not come back in the middle of a connection.
        rig.at(node, "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0");
    }
}

/// Numbers of both nodes' entries of that flow; an entry that comes back has another one.
fn entries(rig: &Rig, flow: Flow) -> [Vec<String>; 2] {
    ["n1", "n2"].map(|node| {
        let list =
            format!("conntrack -L -o id,extended -p {} --orig-port-dst {}", flow.proto, flow.dst.port());
        let listed = rig.at(node, &list);
        listed.lines().filter_map(|line| line.split("id=").nth(1).map(str::to_owned)).collect()
    })
}

#[test]
fn entries_of_bypassed_flows_do_not_expire() {
    let rig = Rig::slow("expi", |_| {});
    forget_soon(&rig);
    rig.on(&[]);
    let flow = rig.udp(4301, 7301);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4301, 7301);
    rig.wait_fast_all(flow);
    rig.wait_fast_all(chat.flow);
    let both = || [flow, chat.flow].map(|flow| entries(&rig, flow));
    let before = both();
    assert!(before.iter().flatten().all(|ids| ids.len() == 1), "{before:?}");
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(500));
        assert_eq!(both(), before, "the same entries, not others of the same name");
    }
    rig.wait_fast_all(chat.flow);
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    assert_eq!(invalid(&rig), 0);
}

/// How a flow speaks, and for how long.
#[derive(Clone, Copy, Debug)]
struct Manner {
    tcp: bool,
    size: usize,
    every: Duration,
    lasts: Duration,
}

/// From a thousand words a second to one in two seconds, as many of each kind.
fn manner() -> impl Strategy<Value = Manner> {
    (any::<bool>(), 4..1_400_usize, 1..=20_u64, 0..3_u32, 4..10_u64).prop_map(
        |(tcp, size, n, tens, seconds)| {
            let every = Duration::from_millis(n * 10_u64.pow(tens));
            Manner { tcp, size, every, lasts: Duration::from_secs(seconds) }
        },
    )
}

/// A flow under way.
enum Talking {
    Tcp(Talk),
    Udp(Sender, Echo),
}

impl Talking {
    fn start(rig: &Rig, flow: Flow, manner: Manner) -> Self {
        if manner.tcp {
            return Self::Tcp(rig.talk(flow.src.port(), flow.dst.port(), manner.size, manner.every));
        }
        let (sender, echo) = rig.stream_of(flow, manner.size, manner.every);
        Self::Udp(sender, echo)
    }

    fn finish(self) {
        match self {
            Self::Tcp(talk) => talk.finish(),
            Self::Udp(mut sender, echo) => assert_eq!(sender.lost(&[&echo]), (0, 0)),
        }
    }
}

/// Starts all at once; none may lose its entry, or a byte, until it ends.
fn talk_all(rig: &Rig, manners: &[Manner], base: u16) {
    let start = Instant::now();
    let flow = |(i, manner): (u16, &Manner)| {
        let proto = if manner.tcp { Proto::Tcp } else { Proto::Udp };
        (Flow { proto, ..rig.udp(base + i, base + 1_000 + i) }, *manner)
    };
    let flows: Vec<_> = (0..).zip(manners).map(flow).collect();
    let mut open: Vec<_> =
        flows.iter().map(|&(flow, manner)| (flow, manner, Talking::start(rig, flow, manner))).collect();
    // The slowest has said something by then.
    thread::sleep(Duration::from_millis(2_500));
    let before: Vec<_> = flows.iter().map(|&(flow, _)| entries(rig, flow)).collect();
    assert!(before.iter().flatten().all(|ids| ids.len() == 1), "{before:?}");
    while !open.is_empty() {
        let (over, on): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, manner, _)| start.elapsed() > manner.lasts);
        open = on;
        for (flow, manner, talking) in over {
            let at = usize::from(flow.src.port() - base);
            assert_eq!(entries(rig, flow), before[at], "{flow} {manner:?}");
            let fast = rig.bypassed(1, flow);
            assert!(fast > 0 || manner.every > Duration::from_millis(150), "{flow} {manner:?}");
            talking.finish();
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(invalid(rig), 0, "{manners:#?}");
}

#[test]
fn entries_of_flows_of_any_pace_and_length_neither_expire_nor_turn_invalid() {
    let rig = Rig::slow("pace", |_| {});
    forget_soon(&rig);
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(0x000f_1704), ..Config::default() });
    let mut draw = || vec(manner(), 9).new_tree(&mut runner).expect("nothing is refused").current();
    for (lease, base) in [("1s", 20_000), ("200ms", 20_100)] {
        rig.on(&["--lease", lease]);
        let mut manners = draw();
        // One that never waits.
        manners.push(Manner {
            tcp: true,
            size: 1 << 16,
            every: Duration::ZERO,
            lasts: Duration::from_secs(6),
        });
        talk_all(&rig, &manners, base);
        rig.off();
    }
}

#[test]
fn a_flow_ends_with_its_conntrack_entry_even_while_the_agent_sleeps() {
    let rig = Rig::fast("gone", |spec| spec.ip = IpMode::Dual, &[]);
    let v6 = |node, port| SocketAddr::new(rig.lab.pod(node, 1).unwrap().v6().unwrap().into(), port);
    let flows = [rig.udp(4304, 7304), Flow { proto: Proto::Udp, src: v6(1, 4305), dst: v6(2, 7305) }];
    for (flow, family) in flows.into_iter().zip(["ipv4", "ipv6"]) {
        let talk = rig.stream(flow);
        rig.wait_fast_all(flow);
        // Nothing may renew what ends below.
        drop(talk);
        rig.signal(Signal::SIGSTOP);
        for node in [1, 2] {
            let known = || {
                let flows = rig.books(node).flows().unwrap();
                flows.iter().filter(|f| [Some(flow), Some(flow.reversed())].contains(&f.flow())).count()
            };
            assert_eq!(known(), 2, "{flow} on n{node}");
            let port = flow.dst.port();
            rig.at(&format!("n{node}"), &format!("conntrack -D -f {family} -p udp --dport {port}"));
            assert_eq!(known(), 0, "{flow} on n{node}");
        }
        rig.signal(Signal::SIGCONT);
    }
}

#[test]
fn short_connections_leave_nothing_behind() {
    let rig = Rig::fast("short", |_| {}, &[]);
    let to = SocketAddr::new(rig.pod_ip(2, 1).into(), 7302);
    let listener = rig.netns("n2/p1").run(|| TcpListener::bind(to)).unwrap().unwrap();
    let server = thread::spawn(move || {
        for _ in 0..2000 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 64];
            for _ in 0..3 {
                stream.read_exact(&mut asked).unwrap();
                stream.write_all(&asked).unwrap();
            }
            assert_eq!(stream.read(&mut asked).unwrap(), 0);
        }
    });
    let client = rig.netns("n1/p1");
    client
        .run(|| {
            for _ in 0..2000 {
                let mut stream = TcpStream::connect(to).unwrap();
                stream.set_nodelay(true).unwrap();
                for _ in 0..3 {
                    stream.write_all(&[7; 64]).unwrap();
                    stream.read_exact(&mut [0; 64]).unwrap();
                }
            }
        })
        .unwrap();
    server.join().unwrap();
    let saved: u64 = rig.books(1).retired().unwrap().iter().map(|(_, r)| r.packets).sum();
    assert!(saved >= 4000, "{saved} packets of 2000 connections were fast");
    for node in ["n1", "n2"] {
        eventually("conntrack calls none of them established", || {
            !rig.at(node, "conntrack -L -p tcp --state ESTABLISHED").contains("dport=7302")
        });
    }
    for node in [1, 2] {
        let open = rig
            .books(node)
            .flows()
            .unwrap()
            .iter()
            .filter(|f| f.way.is_open())
            .filter_map(flyover_fastpath::FlowEntry::flow)
            .filter(|f| f.proto == Proto::Tcp && [f.src.port(), f.dst.port()].contains(&7302))
            .count();
        assert_eq!(open, 0, "open entries in the books of n{node}");
    }
    assert_eq!(invalid(&rig), 0);
}
