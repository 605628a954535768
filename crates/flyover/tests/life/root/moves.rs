//! Pods that go, and pods that get the address of one that went.

use std::time::{Duration, Instant};

use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;

use super::rig::{Rig, measured};
use super::udp::{Echo, Sender};

/// A pod beside those of the lab; gone when dropped.
struct Heir(String);

impl Heir {
    /// Puts it behind the same device number as the first pod of the second node had, with the same address; one
    /// batch takes the old device away and makes the new one, so that the agent may see no time between them.
    fn of(rig: &Rig, device: &str, index: u32) -> Self {
        let heir = Self(format!("{}-heir", rig.lab.name()));
        let netns = Netns::create(&heir.0).unwrap();
        let batch = format!(
            "link del {device}\n\
             link add name {device} index {index} mtu 1450 type veth peer name eth0 mtu 1450 netns {}\n\
             link set {device} master cni0 up\n",
            heir.0
        );
        let replace = Cmd::new("ip").args(["-batch", "-"]).stdin(batch);
        rig.netns("n2").run(|| replace.run()).unwrap().unwrap();
        let address = format!("addr add {}/24 dev eth0", rig.pod_ip(2, 1));
        for line in ["link set lo up", "link set eth0 up", &address, "route add default via 10.244.2.1"] {
            let inside = Cmd::new("ip").args(line.split_whitespace());
            netns.run(|| inside.run()).unwrap().unwrap();
        }
        heir
    }

    fn netns(&self) -> Netns {
        Netns::named(&self.0).unwrap()
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        Netns::delete(&self.0).unwrap();
    }
}

#[test]
fn no_packet_of_a_deleted_pods_flow_reaches_its_heir_by_the_bypass() {
    let (rig, flow, sender, echo) = Rig::streaming("heir", 4200, &["--lease", "5s"]);
    let device = rig.lab.pod(2, 1).unwrap().host_veth().to_string();
    let index = rig.report(2).pods.iter().find(|p| p.name == device).unwrap().ifindex;
    // From here on only a bypass that remembers could carry the flow: the node forbids it, both ways.
    for line in [
        "nft add table ip life",
        "nft add chain ip life forward { type filter hook forward priority -300 ; }",
        "nft add rule ip life forward udp dport 7200 drop",
        "nft add rule ip life forward udp sport 7200 drop",
    ] {
        rig.at("n2", line);
    }
    drop(echo);
    let heir = Heir::of(&rig, &device, index);
    let answers = sender.answers();
    let heard = Echo::on(&heir.netns(), flow.dst);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(heard.count(), 0, "the heir hears nothing of the old flow");
    drop(heard);
    let mut mouth = Sender::start(&heir.netns(), flow.dst, flow.src, 64, Duration::from_millis(1));
    std::thread::sleep(Duration::from_millis(700));
    assert!(sender.answers() <= answers, "the heir does not speak for the old one");
    mouth.lost(&[]);
    drop(mouth);
    // The slow path may deliver what it is asked to deliver, and what it delivered may be fast.
    let heard = Echo::on(&heir.netns(), flow.dst);
    rig.at("n2", "nft delete table ip life");
    heard.wait_alive();
    rig.wait_fast_all(flow);
}

#[test]
fn a_flow_follows_an_address_that_moves_to_another_node() {
    let (rig, flow, _sender, echo) = Rig::streaming("move", 4201, &["--lease", "5s"]);
    let ip = rig.pod_ip(2, 1);
    rig.at("n1/p2", &format!("ip addr add {ip}/32 dev eth0"));
    let there = Echo::on(&rig.netns("n1/p2"), flow.dst);
    let moved = Instant::now();
    rig.at("n1", &format!("ip route add {ip}/32 dev cni0"));
    let took = echo.wait_silent(moved, Duration::from_millis(500));
    measured("from a new route to no more packets the old way", took, Duration::from_secs(1));
    there.wait_alive();
    rig.wait_fast(1, flow);
    rig.wait_fast(1, flow.reversed());
    let old = echo.count();
    rig.at("n1", &format!("ip route del {ip}/32 dev cni0"));
    echo.wait_alive();
    assert!(echo.count() > old);
    rig.wait_fast_all(flow);
}
