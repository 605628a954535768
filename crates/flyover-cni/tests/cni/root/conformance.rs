//! The rules of the specification, each verb in each version.

use serde_json::{Value, json};

use super::rig::Rig;
use crate::plugin::Plugin;

const VERSIONS: [&str; 4] = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"];

fn add(rig: &Rig, network: &Value) -> Plugin {
    rig.call("ADD", network).of("0123456789abcdef", "net1")
}

fn del(rig: &Rig, network: &Value) -> Plugin {
    rig.call("DEL", network).of("0123456789abcdef", "net1")
}

fn with_previous(network: &Value, result: &Value) -> Value {
    let mut network = network.clone();
    network["prevResult"] = result.clone();
    network
}

fn versioned(rig: &Rig, version: &str) -> Value {
    let mut network = rig.network("net");
    network["cniVersion"] = version.into();
    network["mac"] = "02:00:00:00:00:07".into();
    network
}

#[test]
fn every_version_gets_the_fields_it_has() {
    let rig = Rig::new();
    for version in VERSIONS {
        let network = versioned(&rig, version);
        let result = add(&rig, &network).run().good();
        let mut interface = json!({"name": "net1", "mac": "02:00:00:00:00:07", "sandbox": "/run/netns/pod"});
        if version == "1.1.0" {
            interface["mtu"] = 1500.into();
            let id = &rig.traces()[1]["directory ".len()..];
            let socket = rig.path("run/flyover/vhost").join(id).join("0123456789ab-net1");
            interface["socketPath"] = socket.display().to_string().into();
        }
        assert_eq!(result, json!({"cniVersion": version, "interfaces": [interface]}));
        if version != "0.3.1" {
            rig.call("CHECK", &with_previous(&network, &result)).of("0123456789abcdef", "net1").run().good();
        }
        assert_eq!(del(&rig, &network).run().good(), Value::Null);
        assert_eq!(rig.traces(), Vec::<String>::new(), "{version}");
    }
}

#[test]
fn addresses_come_from_host_local_in_each_version_it_speaks_and_go_back() {
    let rig = Rig::new();
    for version in ["0.3.1", "0.4.0", "1.0.0"] {
        let network = rig.addressed("net", version);
        let result = add(&rig, &network).run().good();
        let address = rig.addresses().pop().unwrap();
        let mut ip = json!({"address": format!("{address}/16"), "gateway": "10.9.0.1", "interface": 0});
        if version != "1.0.0" {
            ip["version"] = "4".into();
        }
        assert_eq!(result["ips"], json!([ip]), "{version}");
        assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0"}]));
        if version != "0.3.1" {
            let check = |result: &Value| {
                rig.call("CHECK", &with_previous(&network, result)).of("0123456789abcdef", "net1").run()
            };
            check(&result).good();
            let mut forged = result.clone();
            forged["ips"][0]["address"] = "10.9.99.99/16".into();
            assert_eq!(check(&forged).code(), 101, "another's address");
        }
        del(&rig, &network).run().good();
        assert_eq!(rig.traces(), Vec::<String>::new(), "{version}");
    }
}

#[test]
fn addresses_come_from_static() {
    let rig = Rig::new();
    let mut network = rig.network("net");
    network["cniVersion"] = "1.0.0".into();
    network["ipam"] = json!({"type": "static", "addresses": [{"address": "fd00::5/64"}], "dns": {"nameservers": ["fd00::53"]}});
    let result = add(&rig, &network).run().good();
    assert_eq!(result["ips"], json!([{"address": "fd00::5/64", "interface": 0}]));
    assert_eq!(result["dns"], json!({"nameservers": ["fd00::53"]}));
    del(&rig, &network).run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn del_is_done_however_often_and_however_little_is_known() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    let clean = || assert_eq!(rig.traces(), Vec::<String>::new());
    del(&rig, &network).run().good();
    clean();
    add(&rig, &network).run().good();
    del(&rig, &network).run().good();
    del(&rig, &network).run().good();
    clean();
    let result = add(&rig, &network).run().good();
    del(&rig, &with_previous(&network, &result)).without("CNI_NETNS").run().good();
    clean();
    // The state is lost, and the network is another one by now.
    add(&rig, &network).run().good();
    std::fs::remove_dir_all(rig.path("var/lib/flyover/cni")).unwrap();
    std::fs::remove_dir_all(rig.path("run/flyover/cni")).unwrap();
    let mut changed = network.clone();
    changed["host"] = json!({"engine": "vpp", "bridge": {"bridgeName": "br9"}});
    del(&rig, &changed).run().good();
    clean();
}

#[test]
fn the_same_add_once_more_gets_the_same_answer_and_another_one_is_refused() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    let first = add(&rig, &network).run().good();
    assert_eq!(add(&rig, &network).run().good(), first);
    assert_eq!(rig.addresses().len(), 1);
    rig.tear_out("0123456789ab-net1");
    assert_eq!(add(&rig, &network).run().good(), first);
    assert_eq!(rig.ports(), ["0123456789ab-net1".to_owned()].into());
    let mut other = network.clone();
    other["vlan"] = 5.into();
    assert_eq!(add(&rig, &other).run().code(), 7);
    del(&rig, &network).run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn check_finds_what_others_changed() {
    let rig = Rig::new();
    rig.pod("uid-1");
    let network = rig.network("net");
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID=uid-1";
    let result = add(&rig, &network).with("CNI_ARGS", args).run().good();
    let with =
        |result: &Value| rig.call("CHECK", &with_previous(&network, result)).of("0123456789abcdef", "net1");
    with(&result).run().good();
    assert_eq!(rig.call("CHECK", &network).of("0123456789abcdef", "net1").run().code(), 7);
    let mut forged = result.clone();
    forged["interfaces"][0]["sandbox"] = "/run/netns/other".into();
    assert_eq!(with(&forged).run().code(), 101);
    let directory = std::path::PathBuf::from(result["interfaces"][0]["socketPath"].as_str().unwrap());
    nix::mount::umount(directory.parent().unwrap()).unwrap();
    let ran = with(&result).run();
    assert_eq!(ran.code(), 101);
    assert!(ran.answer["details"].as_str().unwrap().contains("the pod's volume is not mounted"), "{ran:?}");
    rig.tear_out("0123456789ab-net1");
    let ran = with(&result).run();
    assert!(ran.answer["details"].as_str().unwrap().contains("port `0123456789ab-net1` is gone"), "{ran:?}");
    add(&rig, &network).with("CNI_ARGS", args).run().good();
    with(&result).run().good();
    del(&rig, &network).run().good();
    assert_eq!(with(&result).run().code(), 101);
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn gc_keeps_what_is_valid_and_other_networks_and_removes_the_rest() {
    let rig = Rig::new();
    let (network, other) = (rig.network("net"), rig.network("other"));
    for container in ["c1", "c2", "c3"] {
        rig.call("ADD", &network).of(container, "net1").run().good();
    }
    rig.call("ADD", &other).of("c4", "net1").run().good();
    // One of them lost its state.
    let mut lost =
        std::fs::read_dir(rig.path("run/flyover/cni")).unwrap().flatten().map(|entry| entry.path());
    let lost = lost.find(|path| std::fs::read_to_string(path).unwrap().contains("c3")).unwrap();
    std::fs::remove_file(lost).unwrap();
    let mut gc = network.clone();
    assert_eq!(rig.call("GC", &gc).run().code(), 7);
    gc["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "net1"}]);
    rig.call("GC", &gc).run().good();
    assert_eq!(rig.ports(), ["c1-net1".to_owned(), "c4-net1".to_owned()].into());
    gc["cni.dev/valid-attachments"] = json!([]);
    rig.call("GC", &gc).run().good();
    rig.call("DEL", &other).of("c4", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn gc_gives_addresses_back() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    add(&rig, &network).run().good();
    let mut gc = rig.network("net");
    gc["cni.dev/valid-attachments"] = json!([]);
    rig.call("GC", &gc).run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn status_tells_fifty_without_a_bridge_or_database_and_fifty_one_without_the_daemon() {
    let mut rig = Rig::new();
    let network = rig.network("net");
    assert_eq!(rig.call("STATUS", &network).run().good(), Value::Null);
    let mut lost = network.clone();
    lost["host"]["bridge"]["bridgeName"] = "br9".into();
    assert_eq!(rig.call("STATUS", &lost).run().code(), 50);
    rig.kill_daemon();
    assert_eq!(rig.call("STATUS", &network).run().code(), 51);
    rig.kill_server();
    assert_eq!(rig.call("STATUS", &network).run().code(), 50);
}

#[test]
fn a_daemon_that_flyover_started_is_found_by_status_and_check() {
    let mut rig = Rig::new();
    rig.kill_daemon();
    rig.start_daemon_of_flyover();
    let mut network = rig.network("net");
    assert_eq!(rig.call("STATUS", &network).run().good(), Value::Null);
    network["prevResult"] = add(&rig, &network).run().good();
    rig.call("CHECK", &network).of("0123456789abcdef", "net1").run().good();
    rig.kill_daemon();
    assert_eq!(rig.call("STATUS", &network).run().code(), 51);
    del(&rig, &network).run().good();
}

#[test]
fn gc_and_status_are_handed_on_to_the_plugin_for_addresses() {
    let rig = Rig::new();
    let bin = rig.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let script = "#!/bin/sh\ncat >/dev/null\necho $CNI_COMMAND >>$0.log\n\
        echo '{\"cniVersion\": \"1.1.0\", \"code\": 51, \"msg\": \"pool is empty\"}'\nexit 1\n";
    std::fs::write(bin.join("fake"), script).unwrap();
    std::fs::set_permissions(bin.join("fake"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut network = rig.network("net");
    network["ipam"] = json!({"type": "fake"});
    network["cni.dev/valid-attachments"] = json!([]);
    for verb in ["GC", "STATUS"] {
        let ran = rig.call(verb, &network).with("CNI_PATH", bin.to_str().unwrap()).run();
        assert_eq!(ran.code(), 51);
        let msg = format!("plugin `fake` refused {verb}: pool is empty");
        assert_eq!(ran.answer["msg"], json!(msg));
    }
    assert_eq!(std::fs::read_to_string(bin.join("fake.log")).unwrap(), "GC\nSTATUS\n");
}
