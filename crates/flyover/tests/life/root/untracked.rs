//! The nft back end: what it leaves untracked, what it forgets, and what is left of it.

use std::thread;
use std::time::Duration;

use super::rig::{Rig, eventually};

/// Conntrack's entries of the tunnel's outer flow, on both nodes.
fn outer(rig: &Rig) -> usize {
    let count = |node: &str| {
        let listed = rig.at(node, "conntrack -L -p udp --orig-port-dst 8472");
        listed.lines().filter(|line| line.contains("dport=8472")).count()
    };
    count("n1") + count("n2")
}

/// Outer packets that went by untracked, on both nodes.
fn untracked(rig: &Rig) -> u64 {
    let count = |node: &str| -> u64 {
        let rules = rig.at(node, "nft list ruleset");
        let rules = rules.lines().filter(|line| line.ends_with("notrack"));
        let packets = rules.map(|rule| rule.split_whitespace().skip_while(|w| *w != "packets").nth(1));
        packets.map(|n| n.unwrap().parse::<u64>().unwrap()).sum()
    };
    count("n1") + count("n2")
}

#[test]
fn an_outer_flow_that_was_tracked_is_forgotten_and_tracked_again_after_off() {
    let rig = Rig::slow("ntrk", |_| {});
    let flow = rig.udp(4900, 7900);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4900, 7900);
    eventually("conntrack knows the outer flow", || outer(&rig) >= 4);
    rig.on(&["--backend", "nft"]);
    assert_eq!(rig.ask(1, &["status"])["backend"], "nft");
    eventually("conntrack has forgotten the outer flow", || outer(&rig) == 0);
    let before = untracked(&rig);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(outer(&rig), 0, "and it does not come back");
    assert!(untracked(&rig) > before + 400);
    rig.off();
    assert_eq!(untracked(&rig), 0, "no rule is left");
    eventually("conntrack knows it again", || outer(&rig) >= 4);
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

/// Another address takes a peer's place, as when a node is replaced.
#[test]
fn only_the_tunnels_peer_of_today_is_left_untracked() {
    let rig = Rig::fast("npeer", |_| {}, &["--backend", "nft"]);
    let flow = rig.udp(4901, 7901);
    let (mut sender, echo) = rig.stream(flow);
    echo.wait_alive();
    rig.at("n2", "ip addr add 10.89.0.42/24 dev eth0");
    let entries = rig.at("n1", "bridge fdb show dev flannel.1");
    let entry = entries.lines().find(|line| line.contains("dst 10.89.0.2")).unwrap();
    let mac = entry.split_whitespace().next().unwrap();
    rig.at("n1", &format!("bridge fdb replace {mac} dev flannel.1 dst 10.89.0.42 self permanent"));
    let rules = || rig.at("n1", "nft list ruleset");
    eventually("the rule names the new peer alone", || {
        rules().contains("10.89.0.42 udp dport 8472") && !rules().contains("10.89.0.2 udp dport 8472")
    });
    let before = untracked(&rig);
    eventually("packets to it are not tracked", || untracked(&rig) > before + 100);
    echo.wait_alive();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}
