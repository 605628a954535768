//! CHECK sends frames where that is asked for, and leaves nothing of it.

use std::time::Duration;

use flyover_cni_core::node::Node;
use flyover_cni_core::reconcile::{Options, reconcile};
use flyover_ovs::transaction::row;
use flyover_ovs::{Condition, Rows, Transaction};
use serde_json::{Value, json};

use super::rig::{Rig, below};
use crate::plugin::Plugin;

/// Attaches, and gives what CHECK is told.
fn attached(rig: &Rig, deep: &Value) -> Value {
    let mut network = rig.network("net");
    network["vlan"] = 7.into();
    network["deep"] = deep.clone();
    network["prevResult"] = rig.call("ADD", &network).of("c1", "net1").run().good();
    network
}

fn check(rig: &Rig, network: &Value) -> Plugin {
    rig.call("CHECK", network).of("c1", "net1")
}

/// Whether a probe left something.
fn probes(rig: &Rig) -> bool {
    let ports = rig.ports().iter().any(|port| port.starts_with("fop"));
    ports || below(&rig.path("run/openvswitch")).iter().any(|name| name.starts_with("probe-"))
}

/// A bridge that nobody tells what to do with frames drops them.
fn fail_mode(rig: &Rig, mode: &str) {
    let mut transaction = Transaction::default();
    let is_br0 = [Condition::equals("name", "br0")];
    transaction.update("Bridge", &is_br0, &row([("fail_mode", mode.into())]), Rows::Exactly(1));
    rig.client().apply(&transaction).unwrap();
}

#[test]
fn a_deep_check_says_whether_frames_pass_and_leaves_nothing() {
    let rig = Rig::new();
    let network = attached(&rig, &json!(true));
    check(&rig, &network).run().good();
    assert!(!probes(&rig));
    fail_mode(&rig, "secure");
    let ran = check(&rig, &network).run();
    assert_eq!((ran.code(), ran.answer["msg"].as_str()), (100, Some("bridge `br0` passes no frames")));
    let details = ran.answer["details"].as_str().unwrap();
    assert!(details.starts_with("no frame passes between two ports of bridge br0: "), "{details}");
    assert!(!probes(&rig));
    // One that is not deep does not see it, unless the node has all of them deep.
    let mut plain = network.clone();
    plain["deep"] = json!(false);
    check(&rig, &plain).run().good();
    rig.node(&json!({"checkDeep": true}));
    assert_eq!(check(&rig, &plain).run().code(), 100);
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn a_network_that_says_something_else_than_yes_or_no_is_refused() {
    let rig = Rig::new();
    let mut network = rig.network("net");
    network["deep"] = json!("very");
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 6);
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn what_a_deep_check_leaves_that_is_killed_is_collected() {
    let rig = Rig::new();
    let network = attached(&rig, &json!(true));
    // Frames that do not pass make it wait, so that it can be caught.
    fail_mode(&rig, "secure");
    let mut gc = rig.network("net");
    gc["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "net1"}]);
    let collections: [&dyn Fn(); 2] = [&|| drop(rig.call("GC", &gc).run().good()), &|| {
        let node = Node::load(rig.root()).unwrap();
        let late = Options { dry_run: false, grace: Duration::from_secs(60) };
        drop(reconcile(&node, late).unwrap());
    }];
    for collect in collections {
        let mut killed = check(&rig, &network).start();
        while !rig.ports().iter().any(|port| port.starts_with("fop")) {
            assert!(killed.try_wait().unwrap().is_none(), "it ended before its ports were seen");
            std::thread::sleep(Duration::from_millis(2));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(probes(&rig));
        collect();
        assert!(!probes(&rig));
        assert_eq!(rig.ports(), ["c1-net1".to_owned()].into());
    }
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}
