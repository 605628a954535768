//! The plugin dies before each of its side effects, and nothing is left behind.
//!
//! Why every one: what leaks is what nobody thought of. The number of side effects is not written down here: a test goes on
//! until a call comes to its end.

use serde_json::{Value, json};

use super::rig::Rig;
use crate::plugin::{Plugin, Ran};

/// More side effects than any verb has.
const MOST: u32 = 200;

const ARGS: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID=uid-1";

/// A network that uses every part: addresses, a pod's volume, a broker, a device-info file.
fn network(rig: &Rig) -> Value {
    rig.pod("uid-1");
    let mut network = rig.addressed("net", "1.0.0");
    let file = rig.path("var/run/k8s.cni.cncf.io/devinfo/cni/net-c1_net1");
    network["runtimeConfig"] = json!({"CNIDeviceInfoFile": file});
    // The host serves, so there is a broker too.
    network["host"]["vhost"]["mode"] = "server".into();
    network["container"]["vhost"]["mode"] = "client".into();
    network
}

/// The same without addresses, so that its state is in memory and not on a disk.
fn fleeting(rig: &Rig) -> Value {
    let mut network = network(rig);
    network.as_object_mut().unwrap().remove("ipam");
    network
}

/// The same for a collection, which is of a newer version than Debian's plugins for addresses.
fn collection(rig: &Rig) -> Value {
    let mut network = rig.network("net");
    network["cni.dev/valid-attachments"] = json!([]);
    network
}

fn call(rig: &Rig, verb: &str, network: &Value) -> Plugin {
    rig.call(verb, network).of("c1", "net1").with("CNI_ARGS", ARGS)
}

/// Lets a call die at each of its side effects. What follows has to leave nothing.
fn at_every_side_effect(
    rig: &Rig,
    mut before: impl FnMut(),
    dying: &Plugin,
    mut after: impl FnMut(u32),
) -> u32 {
    for number in 1..MOST {
        before();
        let ran: Ran = dying.clone().dying_at(number).run();
        after(number);
        assert_eq!(rig.traces(), Vec::<String>::new(), "after a death at side effect {number}");
        if !ran.was_killed() {
            ran.good();
            return number;
        }
    }
    panic!("a verb has more than {MOST} side effects");
}

#[test]
fn an_add_that_dies_anywhere_is_undone_by_del() {
    let rig = Rig::new();
    for network in [network(&rig), fleeting(&rig)] {
        let (add, del) = (call(&rig, "ADD", &network), call(&rig, "DEL", &network));
        let last = at_every_side_effect(&rig, || {}, &add, |_| drop(del.run().good()));
        assert!(last > 8, "an ADD has more than {last} side effects");
    }
}

#[test]
fn an_add_that_dies_anywhere_is_undone_by_gc() {
    let rig = Rig::new();
    for network in [network(&rig), fleeting(&rig)] {
        let gc = rig.call("GC", &collection(&rig));
        at_every_side_effect(&rig, || {}, &call(&rig, "ADD", &network), |_| drop(gc.run().good()));
    }
}

#[test]
fn an_add_that_dies_anywhere_is_done_by_the_next_one() {
    let rig = Rig::new();
    let network = network(&rig);
    let (add, del) = (call(&rig, "ADD", &network), call(&rig, "DEL", &network));
    at_every_side_effect(
        &rig,
        || {},
        &add,
        |_| {
            add.run().good();
            assert_eq!((rig.ports().len(), rig.addresses().len()), (1, 1));
            del.run().good();
        },
    );
}

#[test]
fn a_del_that_dies_anywhere_is_done_by_the_next_one() {
    let rig = Rig::new();
    let network = network(&rig);
    let (add, del) = (call(&rig, "ADD", &network), call(&rig, "DEL", &network));
    let last = at_every_side_effect(&rig, || drop(add.run().good()), &del, |_| drop(del.run().good()));
    assert!(last > 5, "a DEL has more than {last} side effects");
}

#[test]
fn a_gc_that_dies_anywhere_is_done_by_the_next_one() {
    let rig = Rig::new();
    let network = network(&rig);
    let (add, gc) = (call(&rig, "ADD", &network), rig.call("GC", &collection(&rig)));
    at_every_side_effect(&rig, || drop(add.run().good()), &gc, |_| drop(gc.run().good()));
}

#[test]
fn an_add_that_dies_anywhere_and_is_forgotten_is_found_by_the_collection() {
    use flyover_cni_core::node::Node;
    use flyover_cni_core::reconcile::{Options, reconcile};
    let rig = Rig::new();
    let network = network(&rig);
    let add = call(&rig, "ADD", &network);
    let node = Node::load(rig.root()).unwrap();
    let now = Options { dry_run: false, grace: std::time::Duration::ZERO };
    let mut pod_goes = |_| {
        // What ADD finished is the pod's, until the pod goes.
        std::fs::remove_dir_all(rig.path("var/lib/kubelet/pods/uid-1")).ok();
        let found = reconcile(&node, now).unwrap();
        assert!(found.iter().all(|finding| finding.removed), "{found:?}");
        rig.pod("uid-1");
    };
    at_every_side_effect(&rig, || {}, &add, &mut pod_goes);
}
