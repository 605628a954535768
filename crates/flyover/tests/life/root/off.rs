//! What `off` takes away: everything that was not there before.

use std::collections::BTreeSet;
use std::time::Duration;

use flyover_host::cmd::Cmd;

use super::rig::{Rig, eventually};

/// What can be seen of a node from outside: settings, qdiscs, filters, rules.
pub(super) fn face(rig: &Rig, node: &str) -> String {
    [
        "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal",
        "tc qdisc show",
        "tc filter show dev eth0 ingress",
        "tc filter show dev eth0 egress",
        "nft list tables",
        "ip -o link show type veth",
    ]
    .map(|line| rig.at(node, line))
    .concat()
}

/// Numbers of all programs that use a map which the instance pinned.
fn programs(rig: &Rig, node: u8) -> BTreeSet<u64> {
    let pin = rig.instance(node).map_pin("ways");
    let map: serde_json::Value =
        serde_json::from_str(&rig.at("n1", &format!("bpftool -j map show pinned {}", pin.display())))
            .unwrap();
    let uses = |program: &&serde_json::Value| {
        program["map_ids"].as_array().is_some_and(|ids| ids.contains(&map["id"]))
    };
    all_programs(rig).iter().filter(uses).map(|p| p["id"].as_u64().unwrap()).collect()
}

fn all_programs(rig: &Rig) -> Vec<serde_json::Value> {
    serde_json::from_str(&rig.at("n1", "bpftool -j prog show")).unwrap()
}

#[test]
fn off_ends_no_process_that_is_not_the_agent() {
    let rig = Rig::slow("alien", |_| {});
    let instance = rig.instance(1);
    let _held = instance.lock().unwrap();
    // An agent in a container is known there by a number that is somebody else's here.
    let mut stranger = Cmd::new("sleep").args(["60"]).daemon(tempfile::tempfile().unwrap()).unwrap();
    std::fs::write(instance.report().with_file_name("lock"), stranger.id().to_string()).unwrap();
    let ran = rig.flyover(&["fastpath", "off", "--name", instance.name()]);
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn off_under_load_loses_nothing_and_leaves_nothing() {
    let rig = Rig::slow("off", |_| {});
    let faces = ["n1", "n2"].map(|node| face(&rig, node));
    rig.on(&[]);
    let flow = rig.udp(4004, 7004);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    assert_ne!(face(&rig, "n1"), faces[0], "conntrack was told to be liberal");
    let ours: BTreeSet<_> = [1, 2].into_iter().flat_map(|node| programs(&rig, node)).collect();
    assert!(ours.len() >= 8, "four programs on each node: {ours:?}");
    rig.off();
    rig.off();
    let answers = sender.answers();
    std::thread::sleep(Duration::from_millis(300));
    assert!(sender.answers() > answers + 100, "the flow goes on");
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    assert_eq!(["n1", "n2"].map(|node| face(&rig, node)), faces);
    for node in [1, 2] {
        assert!(!rig.instance(node).exists());
        assert!(!rig.instance(node).map_pin("ways").exists());
    }
    assert!(!rig.root().join("run/flyover/fastpath").exists());
    let files = std::fs::read_dir(rig.root().join("run/flyover/lab")).unwrap();
    let logs = files.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "log"));
    assert_eq!(logs.count(), 0, "what the agents wrote");
    eventually("the programs are gone", || {
        !all_programs(&rig).iter().any(|p| p["id"].as_u64().is_some_and(|id| ours.contains(&id)))
    });
}
