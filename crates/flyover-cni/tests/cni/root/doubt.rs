//! What a collection must not touch: attachments that come into being, or that it cannot read.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use flyover_cni_core::names::Attachment;
use flyover_cni_core::node::Node;
use flyover_cni_core::state::Store;
use serde_json::{Value, json};

use super::rig::Rig;

/// How long a collection gets to come to the lock that a test holds.
const A_WHILE: Duration = Duration::from_millis(300);

fn state(rig: &Rig, network: &str, container: &str) -> (Attachment, PathBuf) {
    let attachment = Attachment {
        network: network.parse().unwrap(),
        container: container.parse().unwrap(),
        ifname: "net1".parse().unwrap(),
    };
    let file = rig.path("run/flyover/cni").join(format!("{}.json", attachment.id()));
    (attachment, file)
}

/// Lets a collection see a state of one content and find one of another when it has the lock.
fn collect_while_it_comes(rig: &Rig, container: &str, seen: &str, valid: &Value) {
    let (attachment, file) = state(rig, "net", container);
    let whole = fs::read(&file).unwrap();
    let mut network = rig.network("net");
    network["cni.dev/valid-attachments"] = valid.clone();
    let lock = Store::open(&Node::load(rig.root()).unwrap()).unwrap().lock(&attachment.id()).unwrap();
    match seen {
        "nothing" => fs::remove_file(&file).unwrap(),
        text => fs::write(&file, text).unwrap(),
    }
    std::thread::scope(|scope| {
        let gc = scope.spawn(|| rig.call("GC", &network).run());
        std::thread::sleep(A_WHILE);
        fs::write(&file, whole).unwrap();
        drop(lock);
        gc.join().unwrap().good();
    });
}

#[test]
fn an_attachment_that_comes_while_it_is_collected_stays() {
    let rig = Rig::new();
    let network = rig.network("net");
    let of = |container: &str| json!({"containerID": container, "ifname": "net1"});
    rig.call("ADD", &network).of("c1", "net1").run().good();
    rig.call("ADD", &network).of("c2", "net1").run().good();
    // A state that was begun, a port without a state: both belong to an ADD that has the lock.
    collect_while_it_comes(&rig, "c1", "", &json!([of("c1"), of("c2")]));
    collect_while_it_comes(&rig, "c2", "nothing", &json!([of("c1")]));
    assert_eq!(rig.ports(), ["c1-net1".to_owned(), "c2-net1".to_owned()].into());
    // What cannot be read is not nobody's.
    fs::write(state(&rig, "net", "c2").1, "[]").unwrap();
    let mut all_go = network.clone();
    all_go["cni.dev/valid-attachments"] = json!([]);
    rig.call("GC", &all_go).run().good();
    assert_eq!(rig.ports(), ["c2-net1".to_owned()].into());
    rig.call("DEL", &network).of("c2", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}
