//! Wiped, deleted, detached, left behind.

use std::time::Duration;

use flyover_cni_core::names::Attachment;
use flyover_testkit::ovs::{NewPort, Options};
use serde_json::{Value, json};

use super::node::{Node, passes, wait};

#[test]
fn a_wiped_database_is_filled_again_and_pods_talk_on_and_what_was_detached_stays_gone() {
    let mut node = Node::new(Options::default());
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    let gone = node.pod("gone");
    passes(&mut a, &mut b, "before");
    let keeper = node.keep();
    node.call("DEL", "gone");
    drop(gone);
    node.rig.wipe().unwrap();
    wait("the port of a pod", || (node.has("a") && node.has("b")).then_some(()));
    // The pods did nothing.
    passes(&mut a, &mut b, "after");
    passes(&mut b, &mut a, "back");
    let packets = |direction: &str| {
        let series =
            format!("flyover_switch_port_packets_total{{port=\"a-net1\",direction=\"{direction}\"}}");
        keeper.metric(&series).filter(|packets| *packets > 0)
    };
    wait("a count of packets", || packets("rx").zip(packets("tx")));
    assert_eq!(keeper.metric("flyover_switch_port_peer_connected{port=\"b-net1\"}"), Some(1));
    let drops = "flyover_switch_port_drops_total{port=\"a-net1\",cause=\"rx_dropped\"}";
    assert_eq!(keeper.metric(drops), Some(0));
    let condition = "flyover_switch_condition{object=\"port\",name=\"a-net1\",type=\"PortInDatapath\"}";
    assert_eq!(keeper.metric(condition), Some(1));
    assert!(keeper.metric("flyover_switch_pmd_cycles_total{").is_some());
    assert!(keeper.metric("flyover_switch_reconciliations_total{result=\"repaired\"}").unwrap() > 0);
    assert!(!node.has("gone"));
    node.call("DEL", "a");
    node.call("DEL", "b");
    std::thread::sleep(Duration::from_secs(2));
    assert!(!node.has("a") && !node.has("b"), "{}", node.log());
    assert_eq!(keeper.end(), Some(0));
}

#[test]
fn a_port_that_a_stranger_deletes_comes_back() {
    let node = Node::new(Options::default());
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    let _keeper = node.keep();
    passes(&mut a, &mut b, "before");
    node.rig.delete_port("br0", "a-net1").unwrap();
    wait("the port", || node.has("a").then_some(()));
    passes(&mut a, &mut b, "after");
}

#[test]
fn what_was_left_behind_is_collected_when_it_is_found_again_and_not_before() {
    let node = Node::new(Options::default());
    let _a = node.pod("a");
    let leaked = Attachment {
        network: "net".parse().unwrap(),
        container: "leak".parse().unwrap(),
        ifname: "net1".parse().unwrap(),
    };
    let id = leaked.id();
    let mut leak = NewPort::vhost("leak-net1", std::path::Path::new("/nonexistent/socket"));
    let marks = [
        ("flyover-owner", "flyover-cni"),
        ("flyover-attachment", id.as_str()),
        ("flyover-network", "net"),
        ("flyover-container", "leak"),
        ("flyover-ifname", "net1"),
    ];
    leak.external_ids = marks.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    node.rig.add_port("br0", &leak).unwrap();
    let ran = node.flyover(&["run", "--once", "-o", "json"]);
    let round: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(round["leftBehind"][0]["id"], json!(id));
    assert_eq!(
        (&round["collected"], &round["repaired"], &round["failed"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert!(node.has("leak"));
    let keeper = node.keep();
    wait("the end of the leak", || (!node.has("leak")).then_some(()));
    wait("the count of it", || {
        let collected = keeper.metric("flyover_switch_leaks_collected_total");
        (collected == Some(1)).then_some(())
    });
    assert_eq!(keeper.metric("flyover_switch_leaks_found_total"), Some(1));
    wait("the end of all leaks", || (keeper.metric("flyover_switch_leaks ") == Some(0)).then_some(()));
    assert!(node.has("a"));
}
