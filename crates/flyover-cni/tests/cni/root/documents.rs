//! The networks of both documents, as they stand there.

use serde_json::{Value, json};

use super::rig::Rig;

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
    let named = [flyover_ovs::Condition::equals("name", "0123456789ab-net1")];
    let interface = rig.client().rows::<flyover_ovs::tables::Interface>(&named).unwrap().remove(0);
    assert_eq!(
        (interface.kind.as_str(), interface.status["mode"].as_str()),
        ("dpdkvhostuserclient", "client")
    );
    rig.call("DEL", &network).of("0123456789abcdef", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    // The log that it names is not written: the node did not ask for one.
    assert!(!std::path::Path::new("/var/log/userspace-ovs-net-1-cni.log").exists());
}
