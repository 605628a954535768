//! What bypasses before this one got wrong, each shown not to be so here. `docs/contract.md` has the list.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use flyover_core::Flow;
use flyover_net::tcx::{self, Side};

use super::rig::{PATIENCE, Rig, eventually};
use super::udp::{Echo, Sender};

const EACH: Duration = Duration::from_millis(1);
const NODES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 89, 0, 1), Ipv4Addr::new(10, 89, 0, 2)];
/// The tunnel's UDP port.
const TUNNEL: u16 = 8472;

/// Adds a chain of that hook to a node, and a rule in it.
fn rule(rig: &Rig, node: &str, hook: &str, rule: &str) {
    rig.at(node, "nft add table ip life");
    rig.at(node, &format!("nft add chain ip life {hook} {{ type filter hook {hook} priority 0 ; }}"));
    rig.at(node, &format!("nft add rule ip life {hook} {rule}"));
}

/// The packets a rule has counted.
fn counted(rig: &Rig, node: &str) -> u64 {
    let rules = rig.at(node, "nft list table ip life");
    let packets = rules.split_whitespace().skip_while(|word| *word != "packets").nth(1);
    packets.unwrap().parse().unwrap()
}

#[test]
fn a_packet_from_the_tunnels_port_does_not_pass_the_nodes_firewall() {
    for backend in ["ebpf", "nft"] {
        let rig = Rig::fast("fwall", |_| {}, &["--backend", backend]);
        let flow = rig.udp(4850, 7850);
        let (_sender, echo) = rig.stream(flow);
        echo.wait_alive();
        if backend == "ebpf" {
            rig.wait_fast_all(flow);
        }
        rule(&rig, "n1", "output", &format!("udp dport 7851 udp sport set {TUNNEL}"));
        rule(&rig, "n2", "input", &format!("udp dport 7851 udp sport {TUNNEL} counter drop"));
        let [from, to] = NODES;
        let closed = Echo::on(&rig.netns("n2"), (to, 7851).into());
        let mut sender = Sender::start(&rig.netns("n1"), (from, 4851).into(), (to, 7851).into(), 64, EACH);
        thread::sleep(Duration::from_millis(300));
        let (lost, _) = sender.lost(&[&closed]);
        assert_eq!(closed.count(), 0, "{backend}");
        assert_eq!(counted(&rig, "n2"), lost as u64, "{backend}: the firewall saw each of them");
        assert!(lost > 100, "{backend}: {lost}");
    }
}

#[test]
fn a_pod_that_uses_the_tunnels_port_is_served_and_masqueraded_like_any_other() {
    let rig = Rig::fast("port", |_| {}, &[]);
    let flow = rig.udp(TUNNEL, TUNNEL);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    assert_eq!(echo.last().unwrap().from, flow.src);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    let outside = SocketAddr::new(NODES[1].into(), 7852);
    let echo = Echo::on(&rig.netns("n2"), outside);
    let mut sender = Sender::start(&rig.netns("n1/p1"), flow.src, outside, 64, EACH);
    rig.wait_fast(1, Flow { dst: outside, ..flow });
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    assert!(
        echo.arrivals().iter().all(|arrival| arrival.from.ip() == NODES[0]),
        "the pod's address is hidden"
    );
}

/// A device that sums nothing leaves the outer checksum to who puts the tunnel on; the far node then looks at it.
#[test]
fn what_is_bypassed_is_valid_to_a_node_that_has_no_entry() {
    let rig = Rig::fast("forgot", |spec| spec.offload = false, &[]);
    let flow = rig.udp(4853, 7853);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4853, 7853);
    rig.wait_fast(1, flow);
    rig.wait_fast(1, chat.flow);
    let far = rig.lab.node(2).unwrap().netns_name();
    rig.netns("n2")
        .run(|| assert!(rig.flyover(&["fastpath", "off", "--name", &far]).status.success()))
        .unwrap();
    rig.wait_fast(1, flow);
    rig.wait_fast(1, chat.flow);
    chat.wait_for(2_000, PATIENCE);
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn a_port_of_the_node_leads_to_a_pod_as_without_the_bypass() {
    let rig = Rig::fast("nport", |_| {}, &[]);
    let pod = SocketAddr::new(rig.pod_ip(1, 1).into(), 7854);
    rig.at("n1", "nft add table ip life");
    rig.at("n1", "nft add chain ip life port { type nat hook prerouting priority -101 ; }");
    rig.at("n1", &format!("nft add rule ip life port ip daddr {} udp dport 30080 dnat to {pod}", NODES[0]));
    let [near, far] = NODES;
    let (from, to) = (SocketAddr::new(far.into(), 4854), SocketAddr::new(near.into(), 30080));
    let echo = Echo::on(&rig.netns("n1/p1"), pod);
    let mut sender = Sender::start(&rig.netns("n2"), from, to, 64, EACH);
    let flow = Flow { src: from, dst: to, ..rig.udp(1, 1) };
    rig.wait_fast(1, flow);
    rig.wait_fast(1, Flow { src: pod, dst: from, ..flow });
    rig.off();
    eventually("the node alone goes on with it", || sender.answers() > echo.count() - 5);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    assert!(echo.arrivals().iter().all(|arrival| arrival.from == from));
    assert_eq!(sender.heard_from(), [to].into());
}

/// What a pod's device has received and sent, in packets.
fn passed(rig: &Rig, place: &str) -> [u64; 2] {
    let shown: serde_json::Value = serde_json::from_str(&rig.at(place, "ip -j -s link show eth0")).unwrap();
    ["rx", "tx"].map(|way| shown[0]["stats64"][way]["packets"].as_u64().unwrap())
}

#[test]
fn a_pods_device_counts_what_is_bypassed_and_carries_no_program() {
    let (rig, flow, mut sender, echo) = Rig::streaming("count", 4855, &[]);
    let before = passed(&rig, "n2/p1");
    let heard = echo.count() as u64;
    rig.wait_fast_all(flow);
    let (heard, after) = (echo.count() as u64 - heard, passed(&rig, "n2/p1"));
    for (before, after) in before.into_iter().zip(after) {
        assert!(after - before >= heard.saturating_sub(20), "{before} to {after} in {heard} round trips");
    }
    for place in ["n1/p1", "n2/p1"] {
        let shown: serde_json::Value = serde_json::from_str(&rig.at(place, "ip -j link show eth0")).unwrap();
        let device = u32::try_from(shown[0]["ifindex"].as_u64().unwrap()).unwrap();
        for side in [Side::Ingress, Side::Egress] {
            assert!(rig.netns(place).run(|| tcx::programs(device, side)).unwrap().unwrap().is_empty());
        }
        let qdiscs = rig.at(place, "tc qdisc show dev eth0");
        assert!(!qdiscs.contains("clsact") && !qdiscs.contains("ingress"), "{qdiscs}");
    }
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn flows_are_fast_where_addresses_are_checked_against_routes() {
    let rig = Rig::slow("rpf", |_| {});
    for node in ["n1", "n2"] {
        rig.at(node, "sysctl -qw net.ipv4.conf.all.rp_filter=1");
    }
    rig.on(&[]);
    let flow = rig.udp(4856, 7856);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    assert_eq!(rig.at("n1", "sysctl -n net.ipv4.conf.all.rp_filter").trim(), "1");
}
