//! What goes wrong while ADD is at work: it is undone, and told with the right code.

use serde_json::json;

use super::rig::Rig;

fn clean(rig: &Rig) {
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn a_bridge_that_is_not_there_or_is_the_kernels_is_an_error_and_leaves_nothing() {
    let rig = Rig::new();
    rig.bridge("brk", "system");
    for (bridge, hint) in [("br9", "is not there"), ("brk", "is not in user space")] {
        let mut network = rig.addressed("net", "1.0.0");
        network["host"]["bridge"]["bridgeName"] = bridge.into();
        let ran = rig.call("ADD", &network).of("c1", "net1").run();
        assert_eq!(ran.code(), 100);
        assert!(ran.answer["msg"].as_str().unwrap().contains(hint), "{ran:?}");
        clean(&rig);
    }
}

#[test]
fn a_bridge_is_made_where_the_node_says_so_and_stays() {
    let rig = Rig::new();
    rig.node(&json!({"createBridges": true}));
    let mut network = rig.network("net");
    network["host"]["bridge"]["bridgeName"] = "br9".into();
    rig.call("ADD", &network).of("c1", "net1").run().good();
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
    let is_br9 = [flyover_ovs::Condition::equals("name", "br9")];
    let bridges = rig.client().rows::<flyover_ovs::tables::Bridge>(&is_br9).unwrap();
    assert_eq!((bridges.len(), bridges[0].datapath_type.as_str()), (1, "netdev"));
}

#[test]
fn a_port_of_the_same_name_that_is_anothers_is_an_error_and_stays() {
    let rig = Rig::new();
    let network = rig.network("net");
    // Two containers whose ids begin alike get the same name for their ports.
    rig.call("ADD", &network).of("0123456789abXXX", "net1").run().good();
    let ran = rig.call("ADD", &network).of("0123456789abYYY", "net1").run();
    assert_eq!(ran.code(), 100);
    rig.call("DEL", &network).of("0123456789abYYY", "net1").run().good();
    assert_eq!(rig.ports(), ["0123456789ab-net1".to_owned()].into());
    rig.call("DEL", &network).of("0123456789abXXX", "net1").run().good();
    clean(&rig);
}

#[test]
fn a_plugin_for_addresses_that_fails_is_quoted_and_asked_again_until_it_takes_back() {
    let rig = Rig::new();
    let mut network = rig.addressed("net", "1.0.0");
    network["ipam"]["subnet"] = "10.9.0.0/31".into();
    let ran = rig.call("ADD", &network).of("c1", "net1").run();
    assert!(ran.answer["msg"].as_str().unwrap().starts_with("plugin `host-local` refused ADD: "), "{ran:?}");
    // It refuses to take back as well, and would for ever; but it never gave anything.
    clean(&rig);
    rig.call("DEL", &network).of("c1", "net1").run().good();
    network["ipam"]["type"] = "nowhere".into();
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 4);
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
    // One that gave an address is asked until it takes it back.
    let path = rig.address_plugin("fickle");
    let mut network = rig.network("net");
    network["ipam"] = json!({"type": "fickle", "mark": "first"});
    let call = |verb: &str| rig.call(verb, &network).of("c1", "net1").with("CNI_PATH", &path);
    call("ADD").run().good();
    std::fs::write(rig.path("bin/refuses DEL first"), "").unwrap();
    assert_eq!(call("DEL").run().code(), 99);
    assert_eq!(rig.traces().len(), 1);
    std::fs::remove_file(rig.path("bin/refuses DEL first")).unwrap();
    call("DEL").run().good();
    clean(&rig);
}

#[test]
fn an_address_goes_back_when_the_switch_refuses() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    let mut taken = rig.network("other");
    taken["host"]["vhost"]["socketfile"] = "s".into();
    rig.call("ADD", &taken).of("c1", "net1").run().good();
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 100);
    assert_eq!(rig.addresses(), Vec::<String>::new());
    rig.call("DEL", &taken).of("c1", "net1").run().good();
    clean(&rig);
}

#[test]
fn del_while_the_database_is_away_is_tried_again_and_then_done() {
    let mut rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    rig.call("ADD", &network).of("c1", "net1").run().good();
    rig.kill_server();
    assert_eq!(rig.call("DEL", &network).of("c1", "net1").run().code(), 11);
    assert_eq!(rig.addresses(), Vec::<String>::new());
    rig.start_server();
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
}

#[test]
fn add_while_the_daemon_is_away_is_told_in_time_and_undone() {
    let mut rig = Rig::new();
    rig.node(&json!({"applyTimeoutMs": 300}));
    rig.kill_daemon();
    let network = rig.addressed("net", "1.0.0");
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 11);
    clean(&rig);
}

#[test]
fn every_extension_reaches_the_switch_and_is_checked() {
    let rig = Rig::new();
    let mut network = rig.network("net");
    network["ovnPort"] = "ls1.vm1".into();
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 7, "another pod's port");
    rig.node(&json!({"group": "hugetlbfs", "ovnPorts": true}));
    let extensions = json!({"mtu": 2000, "vlan": 7, "trunks": [8, {"minID": 10, "maxID": 11}], "queues": 4,
        "ingressPolicing": {"rate": 1000, "burst": 100}, "ovnPort": "ls1.vm1", "mac": "02:00:00:00:00:09"});
    network.as_object_mut().unwrap().extend(extensions.as_object().unwrap().clone());
    let result = rig.call("ADD", &network).of("c1", "net1").run().good();
    assert_eq!(result["interfaces"][0]["mtu"], 2000);
    let named = [flyover_ovs::Condition::equals("name", "c1-net1")];
    let interface = rig.client().rows::<flyover_ovs::tables::Interface>(&named).unwrap().remove(0);
    let port = rig.client().rows::<flyover_ovs::tables::Port>(&named).unwrap().remove(0);
    assert_eq!(
        (port.tag, port.trunks, port.vlan_mode.as_deref()),
        (Some(7), [8, 10, 11].into(), Some("native-untagged"))
    );
    assert_eq!((interface.ingress_policing_rate, interface.ingress_policing_burst), (1000, 100));
    assert_eq!(interface.mtu_request, Some(2000));
    let marks = ["iface-id", "attached-mac", "flyover-queues", "flyover-container"]
        .map(|key| interface.external_ids[key].as_str());
    assert_eq!(marks, ["ls1.vm1", "02:00:00:00:00:09", "4", "c1"]);
    network["prevResult"] = result;
    rig.call("CHECK", &network).of("c1", "net1").run().good();
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
}

#[test]
fn a_wiped_database_is_filled_again_by_the_same_add() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    let first = rig.call("ADD", &network).of("c1", "net1").run().good();
    rig.tear_out("c1-net1");
    assert_eq!(rig.ports(), [].into());
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().good(), first);
    assert_eq!(rig.ports(), ["c1-net1".to_owned()].into());
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
}

#[test]
fn a_network_that_names_the_plugin_itself_for_addresses_does_not_call_it_for_ever() {
    let rig = Rig::new();
    let mut network = rig.network("net");
    network["ipam"] = json!({"type": "flyover-cni"});
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_flyover-cni")).parent().unwrap();
    let call = |verb| rig.call(verb, &network).of("c1", "net1").with("CNI_PATH", programs.to_str().unwrap());
    assert_eq!(call("ADD").run().code(), 4);
    call("DEL").run().good();
    assert!(!call("STATUS").run().status.success());
    clean(&rig);
}
