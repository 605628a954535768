//! Where the instance keeps things, and where it keeps out of.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flyover_net::tcx::{self, Side};

use super::rig::{Rig, eventually};

/// Everything below a directory, itself included.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn what_the_instance_keeps_is_its_owners_alone() {
    let rig = Rig::fast("owner", |_| {}, &[]);
    let pins = rig.instance(1).map_pin("ways").ancestors().nth(2).unwrap().to_owned();
    let files = rig.instance(1).report().parent().unwrap().to_owned();
    let kept = [below(&pins), below(&files)].concat();
    assert!(kept.len() > 15, "{kept:?}");
    for path in kept {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
    // Those of the directory may not be entered by others either.
    let ran = rig.at("n1", "id -u nobody");
    let list = format!("setpriv --reuid {} --clear-groups --inh-caps=-all ls {}", ran.trim(), pins.display());
    assert!(rig.try_at("n1", &list).is_err());
}

#[test]
fn nothing_is_put_into_a_pod() {
    let rig = Rig::slow("inpod", |_| {});
    let look = || {
        ["n1/p1", "n1/p2", "n2/p1"].map(|pod| {
            let netns = rig.netns(pod);
            let shown =
                ["ip -o -d link show", "tc qdisc show", "tc filter show dev eth0", "nft list ruleset"];
            let programs = netns
                .run(|| {
                    [Side::Ingress, Side::Egress]
                        .map(|side| [1, 2].map(|dev| tcx::programs(dev, side).unwrap()))
                })
                .unwrap();
            assert!(programs.iter().flatten().all(Vec::is_empty), "{pod}: {programs:?}");
            shown.map(|line| rig.at(pod, line)).concat()
        })
    };
    let before = look();
    assert!(before[0].contains("eth0") && !before[0].contains("clsact"), "{}", before[0]);
    rig.on(&[]);
    let flow = rig.udp(4750, 7750);
    let (_sender, _echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    assert_eq!(look(), before);
}

#[test]
fn flows_by_two_uplinks_are_bypassed_by_both() {
    let rig = Rig::slow("twoup", |_| {});
    let second = rig.lab.node(2).unwrap().netns_name();
    rig.at("n1", &format!("ip link add eth1 type veth peer name eth1 netns {second}"));
    for (node, other, mine, theirs) in
        [("n1", 2, "10.99.0.1", "10.99.0.2"), ("n2", 1, "10.99.0.2", "10.99.0.1")]
    {
        rig.at(node, &format!("ip addr add {mine}/24 dev eth1"));
        rig.at(node, "ip link set eth1 up");
        // The second pod is reached by the second wire, without a tunnel.
        let pod = rig.pod_ip(other, 2);
        rig.at(node, &format!("ip rule add from all to {pod} lookup 99 priority 99"));
        rig.at(node, &format!("ip route add {pod}/32 via {theirs} dev eth1 table 99"));
    }
    rig.on(&["--uplink", "eth1"]);
    let tunnelled = rig.udp(4760, 7760);
    let plain = flyover_core::Flow {
        src: (rig.pod_ip(1, 2), 4761).into(),
        dst: (rig.pod_ip(2, 2), 7761).into(),
        ..tunnelled
    };
    let (mut first, first_echo) = rig.stream(tunnelled);
    let echo = super::udp::Echo::on(&rig.netns("n2/p2"), plain.dst);
    let every = std::time::Duration::from_millis(1);
    let mut sender = super::udp::Sender::start(&rig.netns("n1/p2"), plain.src, plain.dst, 64, every);
    rig.wait_fast_all(tunnelled);
    rig.wait_fast_all(plain);
    let ways = rig.ask(1, &["flows"]);
    let way = |flow: flyover_core::Flow| {
        let is_it = |v: &&serde_json::Value| v["flow"] == serde_json::to_value(flow).unwrap();
        let found = ways.as_array().unwrap().iter().find(is_it).unwrap();
        [&found["from"], &found["to"], &found["action"]].map(|v| v.as_str().unwrap().to_owned())
    };
    assert_eq!(way(tunnelled), ["veth1", "eth0", "tunnel"]);
    assert_eq!(way(plain), ["veth2", "eth1", "plain"]);
    assert_eq!(way(plain.reversed()), ["eth1", "veth2", "to-pod"]);
    // One of them goes, and the other carries both.
    rig.at("n1", "ip link set eth1 down");
    rig.at("n2", "ip link set eth1 down");
    echo.wait_alive();
    rig.wait_fast_all(plain);
    rig.wait_fast_all(tunnelled);
    assert_eq!(first.lost(&[&first_echo]), (0, 0));
    sender.lost(&[&echo]);
    assert_eq!(rig.ask(1, &["status"])["uplinks"].as_array().unwrap().len(), 2);
}

#[test]
fn entries_of_flows_that_are_over_go() {
    let rig = Rig::slow("idle", |_| {});
    for node in ["n1", "n2"] {
        for name in ["udp_timeout", "udp_timeout_stream"] {
            rig.at(node, &format!("sysctl -qw net.netfilter.nf_conntrack_{name}=2"));
        }
    }
    rig.on(&[]);
    let flow = rig.udp(4770, 7770);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    let there = |node: u8| {
        let flows = rig.books(node).flows().unwrap();
        flows.iter().filter(|f| [Some(flow), Some(flow.reversed())].contains(&f.flow())).count()
    };
    assert!(there(1) > 0, "it was only now that it ended");
    eventually("neither node knows it any more", || {
        // Conntrack's own round may take a minute; who lists its entries ends those whose time is over.
        for node in ["n1", "n2"] {
            rig.at(node, "conntrack -L -p udp");
        }
        there(1) + there(2) == 0
    });
}
