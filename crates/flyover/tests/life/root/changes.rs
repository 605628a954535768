//! Devices, neighbours and tunnels that change under a flow.

use std::time::{Duration, Instant};

use super::rig::{PATIENCE, Rig, eventually, measured};

const SILENCE: Duration = Duration::from_millis(500);

#[test]
fn a_flow_survives_an_uplink_that_goes_down_and_comes_up() {
    let rig = Rig::fast("updn", |_| {}, &[]);
    let flow = rig.udp(4400, 7400);
    let (_sender, echo) = rig.stream(flow);
    let chat = rig.chat(4400, 7400);
    for node in ["n1", "n2"] {
        rig.wait_fast_all(flow);
        rig.at(node, "ip link set eth0 down");
        echo.wait_silent(Instant::now(), SILENCE);
        rig.at(node, "ip link set eth0 up");
        echo.wait_alive();
    }
    rig.wait_fast_all(flow);
    chat.wait_for(5_000, PATIENCE);
    rig.wait_fast_all(chat.flow);
    chat.finish();
}

#[test]
fn packets_that_no_longer_fit_the_uplink_are_left_to_the_node() {
    let rig = Rig::fast("mtu", |_| {}, &[]);
    let flow = rig.udp(4401, 7401);
    let (mut sender, echo) = rig.stream_of(flow, 1400, Duration::from_millis(2));
    rig.wait_fast_all(flow);
    for node in ["n1", "n2"] {
        rig.at(node, "ip link set eth0 mtu 1400");
    }
    // The node tells the sender, which then sends fragments.
    let unfit = || rig.slow_for(1, "mtu") + rig.slow_for(1, "fragment");
    let before = unfit();
    eventually("the node handles what is too large", || unfit() > before + 100);
    echo.wait_alive();
    for node in ["n1", "n2"] {
        rig.at(node, "ip link set eth0 mtu 1500");
    }
    for place in ["n1", "n2", "n1/p1", "n2/p1"] {
        rig.at(place, "ip route flush cache");
    }
    rig.wait_fast_all(flow);
    // While one end was smaller already, the other's packets were too large for it.
    assert!(sender.lost(&[&echo]).1 < 50);
}

#[test]
fn a_routes_own_mtu_holds_for_what_is_bypassed() {
    let rig = Rig::fast("rmtu", |_| {}, &[]);
    let flow = rig.udp(4409, 7409);
    let (_sender, echo) = rig.stream_of(flow, 1300, Duration::from_millis(2));
    rig.wait_fast_all(flow);
    let unfit = || rig.slow_for(1, "mtu") + rig.slow_for(1, "fragment");
    let shown = rig.at("n1", "ip route show 10.244.2.0/24");
    // By the tunnel, and by the wire that carries it.
    for (is, with) in [(shown.trim(), "mtu 1200"), ("10.89.0.0/24 dev eth0", "mtu 1300")] {
        rig.at("n1", &format!("ip route change {is} {with}"));
        let before = unfit();
        eventually("the node handles what is too large", || unfit() > before + 100);
        rig.at("n1", &format!("ip route change {is}"));
        for place in ["n1", "n1/p1", "n2/p1"] {
            rig.at(place, "ip route flush cache");
        }
        echo.wait_alive();
        rig.wait_fast_all(flow);
    }
}

#[test]
fn a_pods_address_behind_another_port_of_the_bridge_is_another_way() {
    let (rig, flow, _sender, echo) = Rig::streaming("fdb", 4402, &["--lease", "5s"]);
    let (mine, other) = (rig.lab.pod(2, 1).unwrap().host_veth(), rig.lab.pod(2, 2).unwrap().host_veth());
    let mac = mac_of(&rig, "n2/p1");
    // The pod's own packets would bring the entry back, so it is written as one that stays.
    rig.at("n2", &format!("bridge fdb replace {mac} dev {other} master static"));
    let took = echo.wait_silent(Instant::now(), SILENCE);
    measured("from a moved bridge entry to no more packets the old way", took, Duration::from_secs(1));
    rig.at("n2", &format!("bridge fdb replace {mac} dev {mine} master static"));
    echo.wait_alive();
    rig.wait_fast_all(flow);
}

/// The Ethernet address of a pod's device.
fn mac_of(rig: &Rig, place: &str) -> String {
    let shown = rig.at(place, "ip -o link show eth0");
    shown.split_whitespace().skip_while(|w| *w != "link/ether").nth(1).unwrap().to_owned()
}

#[test]
fn a_pods_new_ethernet_address_is_learnt() {
    let (rig, flow, _sender, echo) = Rig::streaming("mac", 4403, &[]);
    let mac = "02:00:00:00:74:03";
    rig.at("n2/p1", &format!("ip link set eth0 address {mac}"));
    rig.at("n2", &format!("ip neigh replace {} lladdr {mac} dev cni0", rig.pod_ip(2, 1)));
    echo.wait_alive();
    rig.wait_fast_all(flow);
    let into_pod =
        |f: &flyover_fastpath::FlowEntry| f.flow() == Some(flow) && f.way.hdr[..6] == [2, 0, 0, 0, 0x74, 3];
    assert!(rig.books(2).flows().unwrap().iter().any(into_pod), "the entry writes the new address");
}

#[test]
fn a_tunnel_end_point_that_moves_is_followed() {
    let (rig, flow, _sender, echo) = Rig::streaming("vtep", 4404, &["--lease", "5s"]);
    rig.at("n2", "ip addr add 10.89.0.42/24 dev eth0");
    let entry = rig.at("n1", "bridge fdb show dev flannel.1");
    let mac = entry
        .lines()
        .find(|l| l.contains("dst 10.89.0.2"))
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    rig.at("n1", &format!("bridge fdb replace {mac} dev flannel.1 dst 10.89.0.42 self permanent"));
    let outer = |entry: &flyover_fastpath::FlowEntry| {
        (entry.flow() == Some(flow)).then(|| entry.way.hdr[30..34].to_vec())
    };
    let moved = Instant::now();
    eventually("packets go to the new end point", || {
        rig.books(1).flows().unwrap().iter().filter_map(outer).any(|to| to == [10, 89, 0, 42])
    });
    measured(
        "from a moved tunnel end point to packets that go there",
        moved.elapsed(),
        Duration::from_secs(2),
    );
    echo.wait_alive();
    rig.wait_fast_all(flow);
}
