//! What conntrack makes of flows it sees only samples of: nothing expires, nothing is invalid, nothing stays behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use flyover_core::{Flow, Proto};
use flyover_lab::IpMode;
use nix::sys::signal::Signal;

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
    let long = std::env::var("FLYOVER_LONG").is_ok_and(|v| v == "1");
    let bytes: u64 = if long { 5 << 30 } else { 1 << 30 };
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
