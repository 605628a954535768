//! What the node's process does for one attachment.

use flyover_cni_core::broker;
use flyover_cni_core::node::Node;
use flyover_cni_core::repair::{Depth, Repaired, repair};
use flyover_cni_core::state::Store;
use serde_json::json;

use super::rig::{Rig, below};

#[test]
fn a_broker_that_died_and_a_port_that_was_torn_out_come_back_and_what_was_detached_does_not() {
    let rig = Rig::new();
    let mut network = rig.network("net");
    network["host"]["vhost"] = json!({"mode": "server"});
    network["container"]["vhost"] = json!({"mode": "client"});
    rig.call("ADD", &network).of("c1", "net1").run().good();
    let node = Node::load(rig.root()).unwrap();
    let store = Store::open(&node).unwrap();
    let id = store.list().unwrap().remove(0);
    let mend = || repair(&node, &store, &id, Depth::Rows).unwrap();
    assert_eq!(mend(), Repaired::Whole);
    let front = rig.path("run/flyover/vhost").join(id.as_str());
    broker::end(&front, None).unwrap();
    rig.tear_out("c1-net1");
    let found =
        [format!("the broker of `{}` does not run", front.display()), "port `c1-net1` is gone".to_owned()];
    assert_eq!(mend(), Repaired::Mended(found.to_vec()));
    assert_eq!((broker::find(&front).len(), rig.ports().len()), (1, 1));
    assert_eq!(mend(), Repaired::Whole);
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(mend(), Repaired::Nobody);
    assert_eq!((rig.traces(), below(&front)), (Vec::new(), Vec::new()));
}
