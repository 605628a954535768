//! What a watch hears from the kernel itself.

use std::time::Duration;

use flyover_core::Flow;

use super::*;
use crate::nl::{Request, Talk};
use crate::testing::Room;

/// What a watch in the room hears of what is done after its start.
fn heard(room: &Room, before: &str, act: impl FnOnce()) -> Vec<Heard> {
    room.sh(before);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut watch = room.run(|| Watch::open().unwrap());
        act();
        let mut heard = Vec::new();
        while let Ok(next) = tokio::time::timeout(Duration::from_millis(300), watch.next()).await {
            heard.push(next);
        }
        heard
    })
}

fn events(room: &Room, before: &str, script: &str) -> Vec<Event> {
    let act = || drop(room.sh(script));
    heard(room, before, act).into_iter().filter(|h| h.nsid.is_none()).map(|h| h.event).collect()
}

/// Without IPv6 addresses, whose duplicate detection is announced at some later time.
const VETH: &str = "ip link add v0 type veth peer name v1; ip link set v0 addrgenmode none; ip link set v1 addrgenmode none; ip link set v0 up; ip link set v1 up;
    ip address add 10.9.0.1/24 dev v0";

#[test]
fn a_link_that_comes_and_goes_is_announced() {
    let room = Room::new("watch-link");
    let events = events(&room, "", "ip link add v0 type veth peer name v1; ip link del v0");
    let of = |wanted| {
        events.iter().any(|e| matches!(e, Event::Link { change, link } if *change == wanted && link.name == "v0" && link.kind.as_deref() == Some("veth")))
    };
    assert!(of(LinkChange::Present) && of(LinkChange::Gone), "{events:?}");
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    let room = Room::new("watch-port");
    let before =
        "ip link add br0 type bridge; ip link add v0 type veth peer name v1; ip link set v0 master br0";
    let events = events(&room, before, "ip link set v0 nomaster");
    assert!(events.iter().any(|e| matches!(e, Event::Link { change: LinkChange::Port, .. })), "{events:?}");
    assert!(!events.iter().any(|e| matches!(e, Event::Link { change: LinkChange::Gone, .. })), "{events:?}");
}

#[test]
fn routes_rules_addresses_and_qdiscs_are_announced() {
    let room = Room::new("watch-route");
    let script = "ip route add 10.8.0.0/16 via 10.9.0.2; ip rule add from 10.7.0.1 table 7;
        ip address add 10.9.0.9/24 dev v0; tc qdisc add dev v0 root tbf rate 1mbit burst 10k latency 50ms;
        ip xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 dir out";
    let events = events(&room, VETH, script);
    assert!(events.contains(&Event::Route), "{events:?}");
    assert!(events.contains(&Event::Rule), "{events:?}");
    assert!(events.contains(&Event::Xfrm), "{events:?}");
    assert!(events.iter().any(|e| matches!(e, Event::Address { .. })), "{events:?}");
    assert!(events.iter().any(|e| matches!(e, Event::Qdisc { ifindex: Some(_) })), "{events:?}");
}

#[test]
fn a_neighbour_that_changes_is_announced_and_one_that_ages_is_not() {
    let room = Room::new("watch-neigh");
    let before = format!("{VETH}; ip neigh add 10.9.0.5 lladdr 02:00:00:00:00:05 dev v0 nud reachable");
    let old = "ip neigh change 10.9.0.5 lladdr 02:00:00:00:00:05 dev v0 nud stale";
    assert_eq!(events(&room, &before, old), []);
    let new = "ip neigh change 10.9.0.5 lladdr 02:00:00:00:00:06 dev v0 nud reachable";
    assert!(matches!(events(&room, "", new).as_slice(), [Event::Neighbour { .. }]));
    let events = events(&room, "", "ip neigh del 10.9.0.5 dev v0");
    assert!(matches!(events.as_slice(), [Event::Neighbour { .. }]), "{events:?}");
}

#[test]
fn a_forwarding_entry_that_moves_is_announced() {
    let room = Room::new("watch-fdb");
    let before = "ip link add v type vxlan id 9 dstport 4789 nolearning; ip link set v up;
        bridge fdb add 02:00:00:00:00:07 dev v dst 192.0.2.1";
    let events = events(&room, before, "bridge fdb replace 02:00:00:00:00:07 dev v dst 192.0.2.2");
    assert!(matches!(events.as_slice(), [Event::Fdb { .. }, ..]), "{events:?}");
}

#[test]
fn a_change_of_the_rule_set_is_announced_with_its_generation() {
    let room = Room::new("watch-nft");
    let events = events(&room, "", "nft add table ip one; nft add table ip two");
    let [Event::RulesetGeneration(a), Event::RulesetGeneration(b)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(*b, a + 1);
}

#[test]
fn a_pod_that_loads_rules_is_announced_with_its_number() {
    let (node, pod) = (Room::new("watch-node"), Room::new("watch-pod"));
    let name = pod.netns().name();
    node.sh(&format!("ip netns set {name} 41"));
    let heard = heard(&node, "", || drop(pod.sh("nft add table ip one")));
    assert!(
        heard.iter().any(|h| h.nsid == Some(41) && matches!(h.event, Event::RulesetGeneration(_))),
        "{heard:?}"
    );
}

/// Ends every conntrack entry of the room, as `conntrack -F` does.
fn flush_conntrack(room: &Room) {
    let flush = Request::get(1 << 8 | 2, &[0; 4]);
    room.run(|| {
        Talk::open(libc::NETLINK_NETFILTER, "conntrack").unwrap().ask("conntrack", &flush, |_| Ok(()))
    })
    .unwrap();
}

#[test]
fn an_ended_connection_is_announced_with_both_its_tuples() {
    let room = Room::new("watch-ct");
    let before = "ip link set lo up; nft add table ip t;
        nft 'add chain ip t c { type filter hook output priority 0; }'; nft add rule ip t c ct state new accept";
    let heard = heard(&room, before, || {
        let socket = room.run(|| std::net::UdpSocket::bind("127.0.0.1:4000").unwrap());
        socket.send_to(b"x", "127.0.0.1:9").unwrap();
        flush_conntrack(&room);
    });
    let orig: Flow = "udp:127.0.0.1:4000-127.0.0.1:9".parse().unwrap();
    let gone = Event::ConntrackGone { orig, reply: orig.reversed(), zone: 0 };
    assert!(heard.iter().any(|h| h.event == gone), "{heard:?}");
}
