//! The machine was started again: what is in memory is gone, and what is on disks is nobody's any more.

use std::fs;
use std::time::Duration;

use flyover_cni_core::node::Node;
use flyover_cni_core::reconcile::{Options, Verdict, reconcile};
use flyover_cni_core::repair::{Depth, Repaired, repair};
use flyover_cni_core::state::Store;
use flyover_ovs::tables::Port;
use flyover_ovs::transaction::row;
use flyover_ovs::{Condition, Datum, Rows, Transaction};
use serde_json::Value;

use super::rig::Rig;

/// The ports, as one start of the machine before this one left them.
fn age_ports(rig: &Rig) {
    let mut transaction = Transaction::default();
    for port in rig.client().rows::<Port>(&[]).unwrap() {
        let mut ids = port.external_ids;
        if ids.insert("flyover-boot".to_owned(), "before".to_owned()).is_some() {
            let ids = row([("external_ids", Datum::map(ids))]);
            transaction.update("Port", &[Condition::is(&port.uuid)], &ids, Rows::Exactly(1));
        }
    }
    rig.client().transact(&transaction).unwrap();
}

#[test]
fn what_is_of_another_start_of_the_machine_is_collected_whoever_speaks_of_it() {
    let rig = Rig::new();
    rig.call("ADD", &rig.network("net")).of("c1", "net1").run().good();
    rig.call("ADD", &rig.addressed("net", "1.0.0")).of("c2", "net1").run().good();
    for container in ["c1", "c2"] {
        fs::write(rig.path(&format!("var/lib/cni/results/net-{container}-net1")), "{}").unwrap();
    }
    let node = Node::load(rig.root()).unwrap();
    let all = || reconcile(&node, Options::default()).unwrap();
    assert!(all().iter().all(|finding| matches!(finding.verdict, Verdict::Keep { .. })));
    // What the restart takes: memory. What it leaves: the database, and what is on disks.
    for gone in [&node.state_dir, &node.socket_root] {
        fs::remove_dir_all(gone).unwrap();
    }
    age_ports(&rig);
    let store = Store::open(&node).unwrap();
    let [id] = store.list().unwrap().try_into().unwrap();
    let file = node.lasting_dir.join(format!("{id}.json"));
    let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    state["boot"] = "before".into();
    fs::write(&file, state.to_string()).unwrap();
    assert_eq!(repair(&node, &store, &id, Depth::Rows).unwrap(), Repaired::Nobody);
    let found = all();
    let gone = Verdict::Stale { because: "the machine was started again since" };
    assert_eq!(
        found.iter().map(|finding| (finding.verdict, finding.removed)).collect::<Vec<_>>(),
        [(gone, true), (gone, true)]
    );
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn del_of_before_a_restart_is_done_and_an_add_after_it_begins_anew() {
    let rig = Rig::new();
    let network = rig.network("net");
    let add = || rig.call("ADD", &network).of("c1", "net1").run().good();
    add();
    let node = Node::load(rig.root()).unwrap();
    for gone in [&node.state_dir, &node.socket_root] {
        fs::remove_dir_all(gone).unwrap();
    }
    age_ports(&rig);
    add();
    let ports = rig.client().rows::<Port>(&[Condition::equals("name", "c1-net1")]).unwrap();
    assert!(ports[0].external_ids["flyover-boot"] != "before", "{ports:?}");
    for gone in [&node.state_dir, &node.socket_root] {
        fs::remove_dir_all(gone).unwrap();
    }
    rig.call("DEL", &network).of("c1", "net1").without("CNI_NETNS").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn a_port_that_nobody_could_be_asked_to_remove_after_a_restart_is_owed_and_collected() {
    let mut rig = Rig::new();
    let network = rig.network("net");
    rig.call("ADD", &network).of("c1", "net1").run().good();
    let node = Node::load(rig.root()).unwrap();
    for gone in [&node.state_dir, &node.socket_root] {
        fs::remove_dir_all(gone).unwrap();
    }
    age_ports(&rig);
    rig.kill_server();
    // The runtime asks once, and then forgets the container.
    rig.call("DEL", &network).of("c1", "net1").without("CNI_NETNS").run().good();
    rig.start_server();
    assert!(rig.ports().contains("c1-net1"));
    let found = reconcile(&node, Options { grace: Duration::ZERO, ..Options::default() }).unwrap();
    assert_eq!(found.iter().map(|finding| finding.removed).collect::<Vec<_>>(), [true], "{found:?}");
    assert_eq!(rig.traces(), Vec::<String>::new());
}
