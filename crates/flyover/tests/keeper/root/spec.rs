//! The switch itself: what was applied to it is made again.

use flyover_testkit::ovs::{Options, Switch};
use serde_json::json;

use super::node::{Node, passes, wait};

/// A switch with an uplink, and options that a database that was wiped has lost.
const SPEC: &str = "\
dpdk: {extra: [--no-huge, --legacy-mem, -m, '384', --no-pci], perPortMemory: true}
pmd: {cpus: '0', maxSleepUs: 100}
bridges: [{name: br0, mtu: 1500, uplinks: [{name: up0, devargs: \"eth_null0,no-rx=1\"}]}]
";

/// What of it stands in the database.
fn switch(node: &Node) -> Vec<String> {
    let option =
        |key: &str| node.vsctl(&["--if-exists", "get", "Open_vSwitch", ".", &format!("other_config:{key}")]);
    let mut found =
        ["dpdk-init", "dpdk-extra", "per-port-memory", "pmd-cpu-mask", "pmd-maxsleep"].map(option).to_vec();
    found.push(node.vsctl(&["list-br"]));
    found.push(node.vsctl(&["get", "Bridge", "br0", "datapath_type"]));
    found.push(node.vsctl(&["get", "Interface", "up0", "type", "options:dpdk-devargs", "mtu_request"]));
    found
}

/// Everything that `ovs-vsctl` names is there.
fn is_there(node: &Node) -> Option<()> {
    let ports = node.vsctl(&["--bare", "--columns=name", "list", "Port"]);
    ["up0", "a-net1", "b-net1"].iter().all(|port| ports.lines().any(|line| line == *port)).then_some(())
}

#[test]
fn a_wiped_database_gets_the_switch_back_that_was_applied_and_pods_talk_on() {
    let mut node = Node::new(Options::of(Switch::Bare));
    // Only the spec makes the bridge.
    node.configure("createBridges", json!(false));
    node.apply(SPEC);
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    passes(&mut a, &mut b, "before");
    let was = switch(&node);
    let keeper = node.keep();
    for wiped in ["once", "twice"] {
        node.rig.wipe().unwrap();
        wait("the ports of spec and pods", || is_there(&node));
        // The pods did nothing.
        passes(&mut a, &mut b, wiped);
        passes(&mut b, &mut a, "and back");
        assert_eq!(switch(&node), was, "{wiped}: {}", node.log());
    }
    assert_eq!(keeper.end(), Some(0));
    assert!(node.log().contains("made the switch what its spec says"), "{}", node.log());
}

#[test]
fn what_a_stranger_changes_of_the_switch_is_changed_back() {
    let node = Node::new(Options::of(Switch::Bare));
    node.apply(SPEC);
    let was = switch(&node);
    let _keeper = node.keep();
    node.vsctl(&["del-br", "br0", "--", "set", "Open_vSwitch", ".", "other_config:pmd-maxsleep=7"]);
    let is_back = || {
        let bridges = node.vsctl(&["list-br"]);
        (bridges == "br0" && !node.vsctl(&["--if-exists", "get", "Interface", "up0", "type"]).is_empty())
            .then_some(())
    };
    wait("the bridge and its uplink", is_back);
    wait("the option", || (switch(&node) == was).then_some(()));
}
