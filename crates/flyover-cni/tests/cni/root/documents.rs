//! The networks of both documents, as they stand there.

use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use flyover_cni_core::broker;
use flyover_ovs::Condition;
use flyover_ovs::tables::Interface;
use serde_json::{Value, json};

use super::rig::Rig;

const KUBE_OVN: &str = include_str!("../../../../flyover-cni-core/tests/fixtures/nad-ovs-dpdk-br0.json");
const KUBEVIRT: &str =
    include_str!("../../../../flyover-cni-core/tests/fixtures/nad-userspace-ovs-net-1.json");

#[test]
fn the_network_of_the_second_document_attaches_a_guest_and_gives_it_an_address() {
    let rig = Rig::new();
    rig.bridge("br-dpdk0", "netdev");
    let network: Value = serde_json::from_str(KUBEVIRT).unwrap();
    let result = rig.call("ADD", &network).of("0123456789abcdef", "net1").run().good();
    let mac = result["interfaces"][0]["mac"].clone();
    let expected = json!({"cniVersion": "0.3.1",
        "interfaces": [{"name": "net1", "mac": mac, "sandbox": "/run/netns/pod"}],
        "ips": [{"version": "4", "address": "10.56.217.131/24", "gateway": "10.56.217.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0"}]});
    assert_eq!(result, expected);
    let named = [Condition::equals("name", "0123456789ab-net1")];
    let interface = rig.client().rows::<Interface>(&named).unwrap().remove(0);
    assert_eq!(
        (interface.kind.as_str(), interface.status["mode"].as_str()),
        ("dpdkvhostuserclient", "client")
    );
    rig.call("DEL", &network).of("0123456789abcdef", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    // The log that it names is not written: the node did not ask for one.
    assert!(!std::path::Path::new("/var/log/userspace-ovs-net-1-cni.log").exists());
}

/// The socket of the only attachment there is.
fn socket(rig: &Rig, name: &str) -> std::path::PathBuf {
    let root = rig.path("run/flyover/vhost");
    let directories = super::rig::below(&root);
    root.join(directories.iter().find(|name| !name.ends_with(".back")).unwrap()).join(name)
}

#[test]
fn the_network_of_the_first_document_serves_a_pod_twice_and_outlives_the_switch() {
    let mut rig = Rig::new();
    let network: Value = serde_json::from_str(KUBE_OVN).unwrap();
    let result = rig.call("ADD", &network).of("0123456789abcdef", "net1").run().good();
    let mac = result["interfaces"][0]["mac"].clone();
    let expected = json!({"cniVersion": "0.3.1",
        "interfaces": [{"name": "net1", "mac": mac, "sandbox": "/run/netns/pod"}]});
    assert_eq!(result, expected);
    let front = socket(&rig, "0123456789ab-net1");
    assert!(front.metadata().unwrap().file_type().is_socket());
    let brokers = broker::find(front.parent().unwrap());
    assert_eq!(brokers.len(), 1);
    // The switch comes to the broker, and comes again after it died.
    connected(&rig);
    rig.kill_daemon();
    rig.start_daemon();
    connected(&rig);
    assert_eq!(broker::find(front.parent().unwrap()), brokers);
    // The pod asks for the same network a second time.
    rig.call("ADD", &network).of("0123456789abcdef", "net2").run().good();
    assert_eq!(rig.ports().len(), 2);
    rig.call("DEL", &network).of("0123456789abcdef", "net2").run().good();
    assert!(broker::runs(brokers[0]));
    rig.call("DEL", &network).of("0123456789abcdef", "net1").run().good();
    assert!(!broker::runs(brokers[0]));
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert!(!std::path::Path::new("/var/log/userspace-ovs-dpdk-br0.log").exists());
}

/// Waits until the switch says that the other end of the port is there.
fn connected(rig: &Rig) {
    let end = Instant::now() + Duration::from_secs(20);
    let named = [Condition::equals("name", "0123456789ab-net1")];
    loop {
        let interface = rig.client().rows::<Interface>(&named).unwrap().remove(0);
        if interface.status.get("status").is_some_and(|status| status == "connected") {
            return;
        }
        assert!(Instant::now() < end, "{interface:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_broker_that_died_is_found_by_check_and_started_by_the_same_add() {
    let rig = Rig::new();
    let mut network: Value = serde_json::from_str(KUBE_OVN).unwrap();
    network["cniVersion"] = "1.0.0".into();
    let result = rig.call("ADD", &network).of("c1", "net1").run().good();
    let directory = socket(&rig, "c1-net1").parent().unwrap().to_owned();
    let mut with = network.clone();
    with["prevResult"] = result.clone();
    rig.call("CHECK", &with).of("c1", "net1").run().good();
    broker::end(&directory, None).unwrap();
    let ran = rig.call("CHECK", &with).of("c1", "net1").run();
    assert!(ran.answer["details"].as_str().unwrap().contains("the broker of"), "{ran:?}");
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().good(), result);
    rig.call("CHECK", &with).of("c1", "net1").run().good();
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}
