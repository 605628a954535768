//! What conntrack makes of flows it sees only samples of: nothing expires, nothing is invalid, nothing stays behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use flyover_core::Proto;

use super::rig::{Rig, eventually};

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
    let before = talks.each_ref().map(super::tcp::Talk::got);
    thread::sleep(Duration::from_secs(3));
    for (talk, before) in talks.iter().zip(before) {
        assert!(talk.got().iter().zip(before).all(|(now, then)| *now > then), "{} goes on", talk.flow);
    }
    talks.into_iter().for_each(super::tcp::Talk::finish);
    assert_eq!(invalid(&rig), 0);
}

#[test]
fn entries_of_bypassed_flows_do_not_expire() {
    let rig = Rig::slow("expi", |_| {});
    for node in ["n1", "n2"] {
        for (name, seconds) in [("tcp_timeout_established", 4), ("udp_timeout", 3), ("udp_timeout_stream", 3)]
        {
            rig.at(node, &format!("sysctl -qw net.netfilter.nf_conntrack_{name}={seconds}"));
        }
        // An entry that did expire would not come back in the middle of a connection.
        rig.at(node, "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0");
    }
    rig.on(&[]);
    let flow = rig.udp(4301, 7301);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4301, 7301);
    rig.wait_fast_all(flow);
    rig.wait_fast_all(chat.flow);
    let entries = |node: &str| {
        rig.at(node, "conntrack -L -o id,extended")
            .lines()
            .filter(|l| l.contains("dport=7301"))
            .filter_map(|l| l.split("id=").nth(1).map(str::to_owned))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = ["n1", "n2"].map(entries);
    assert_eq!(before[0].len(), 2, "{before:?}");
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(500));
        assert_eq!(["n1", "n2"].map(entries), before, "the same entries, not others of the same name");
    }
    rig.wait_fast_all(chat.flow);
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    assert_eq!(invalid(&rig), 0);
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
            .filter(|f| f.way.open != 0)
            .filter_map(flyover_fastpath::FlowEntry::flow)
            .filter(|f| f.proto == Proto::Tcp && [f.src.port(), f.dst.port()].contains(&7302))
            .count();
        assert_eq!(open, 0, "open entries in the books of n{node}");
    }
    assert_eq!(invalid(&rig), 0);
}
