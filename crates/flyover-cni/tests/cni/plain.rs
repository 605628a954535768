//! What needs neither root nor a switch: answers that are given before anything is touched.

use serde_json::{Value, json};

use crate::plugin::{NEWEST, Plugin};

fn network(host: Value) -> Value {
    json!({"cniVersion": NEWEST, "name": "net", "type": "userspace", "host": host})
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn is_untouched(root: &tempfile::TempDir) -> bool {
    std::fs::read_dir(root.path()).unwrap().next().is_none()
}

#[test]
fn version_tells_what_is_spoken_in_the_version_of_the_question() {
    let root = empty();
    let all = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"];
    for version in all {
        let said = Plugin::new(root.path(), "VERSION", &json!({"cniVersion": version})).run().good();
        assert_eq!(said, json!({"cniVersion": version, "supportedVersions": all}));
    }
    assert_eq!(Plugin::new(root.path(), "VERSION", &Value::Null).run().good()["cniVersion"], NEWEST);
}

#[test]
fn an_environment_that_lacks_something_is_code_four_and_touches_nothing() {
    let root = empty();
    let add = Plugin::new(root.path(), "ADD", &network(json!({}))).of("c1", "net1");
    for missing in ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"] {
        assert_eq!(add.clone().without(missing).run().code(), 4, "{missing}");
    }
    for (name, bad) in [
        ("CNI_CONTAINERID", ".."),
        ("CNI_CONTAINERID", "-"),
        ("CNI_CONTAINERID", "--"),
        ("CNI_CONTAINERID", "a\nb"),
        ("CNI_CONTAINERID", &"x".repeat(300)),
        ("CNI_IFNAME", "../../x"),
        ("CNI_IFNAME", "a\nb"),
        ("CNI_ARGS", "K8S_POD_UID=../../etc"),
        ("CNI_ARGS", "K8S_POD_NAME=a\nb;K8S_POD_UID=1"),
        ("CNI_ARGS", "Unknown=1"),
    ] {
        assert_eq!(add.clone().with(name, bad).run().code(), 4, "{name}={bad:?}");
    }
    assert!(is_untouched(&root));
}

#[test]
fn what_is_not_supported_is_code_two_and_touches_nothing() {
    let root = empty();
    for host in [json!({"engine": "vpp"}), json!({"iftype": "memif"}), json!({"netType": "none"})] {
        let ran = Plugin::new(root.path(), "ADD", &network(host)).of("c1", "net1").run();
        assert_eq!(ran.code(), 2, "{ran:?}");
    }
    assert!(is_untouched(&root));
}

#[test]
fn a_version_we_do_not_speak_is_code_one() {
    let root = empty();
    for version in [json!("0.2.0"), json!("2.0.0"), json!("x"), Value::Null] {
        let text = json!({"cniVersion": version, "name": "net"});
        let ran = Plugin::new(root.path(), "ADD", &text).of("c1", "net1").run();
        assert_eq!((ran.code(), &ran.answer["cniVersion"]), (1, &json!(NEWEST)));
    }
    assert!(is_untouched(&root));
}

#[test]
fn verbs_that_a_version_lacks_are_code_one() {
    let root = empty();
    let network = json!({"cniVersion": "0.3.1", "name": "net"});
    assert_eq!(Plugin::new(root.path(), "CHECK", &network).of("c1", "net1").run().code(), 1);
    for version in ["0.3.1", "1.0.0"] {
        let network = json!({"cniVersion": version, "name": "net", "cni.dev/valid-attachments": []});
        for verb in ["STATUS", "GC"] {
            assert_eq!(Plugin::new(root.path(), verb, &network).run().code(), 1, "{verb}");
        }
    }
}

#[test]
fn input_that_is_no_json_is_code_six_in_the_newest_version() {
    let root = empty();
    let mut add = Plugin::new(root.path(), "ADD", &Value::Null).of("c1", "net1");
    for text in ["", "{", "[]", "{\"cniVersion\": \"1.0.0\", \"name\": \"net\", \"mtu\": \"x\"}"] {
        text.clone_into(&mut add.input);
        assert_eq!(add.run().code(), 6, "{text}");
    }
    assert!(is_untouched(&root));
}

#[test]
fn a_socket_whose_path_would_be_too_long_is_refused_before_anything_is_made() {
    let root = empty();
    let long = json!({"vhost": {"mode": "client", "socketfile": "s".repeat(63)}});
    let deep = root.path().join("d".repeat(60));
    std::fs::create_dir_all(root.path().join("etc/flyover")).unwrap();
    let node = json!({"socketRoot": deep}).to_string();
    std::fs::write(root.path().join("etc/flyover/cni.json"), node).unwrap();
    let ran = Plugin::new(root.path(), "ADD", &network(long)).of("c1", "net1").run();
    assert_eq!(ran.code(), 7);
    assert!(ran.answer["msg"].as_str().unwrap().contains("107 are the most"), "{ran:?}");
    assert!(!deep.exists());
}

#[test]
fn what_the_node_does_not_allow_is_refused_before_anything_is_made() {
    let root = empty();
    std::fs::create_dir_all(root.path().join("etc/flyover")).unwrap();
    let devices = root.path().join("var/run/k8s.cni.cncf.io/devinfo");
    let node =
        json!({"bridges": ["br1"], "sharedDirs": ["/srv/sockets"], "groups": ["huge"], "maxMtu": 2000});
    let node = node.to_string();
    std::fs::write(root.path().join("etc/flyover/cni.json"), node).unwrap();
    let allowed = json!({"bridge": {"bridgeName": "br1"}});
    let refused = [
        network(json!({})),
        network(json!({"bridge": {"bridgeName": "br1"}, "vhost": {"group": "root"}})),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed, "sharedDir": "/etc"}),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed, "sharedDir": "/srv/sockets/../../etc"}),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed, "sharedDir": "/srv/sockets-not"}),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed,
            "runtimeConfig": {"CNIDeviceInfoFile": "/etc/passwd"}}),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed,
            "runtimeConfig": {"CNIDeviceInfoFile": devices.join("dp/a.json")}}),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed, "ovnPort": "ls1.vm1"}),
        json!({"cniVersion": NEWEST, "name": "net", "host": allowed, "mtu": 2001}),
    ];
    for network in refused {
        assert_eq!(Plugin::new(root.path(), "ADD", &network).of("c1", "net1").run().code(), 7, "{network}");
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn del_is_done_whatever_add_would_refuse() {
    let root = empty();
    let devices = root.path().join("var/run/k8s.cni.cncf.io/devinfo");
    std::fs::create_dir_all(&devices).unwrap();
    let mut network = network(json!({}));
    network["runtimeConfig"] = json!({"CNIDeviceInfoFile": devices.join("../../x")});
    Plugin::new(root.path(), "DEL", &network).of("c1", "net1").run().good();
    network["ipam"] = json!({"type": "a/b"});
    Plugin::new(root.path(), "DEL", &network).of("c1", "net1").run().good();
    network["ipam"] = json!({"type": "nowhere"});
    Plugin::new(root.path(), "DEL", &network).of("c1", "net1").run().good();
}

#[test]
fn without_a_switch_add_is_to_be_tried_again_and_del_is_done() {
    let root = empty();
    let network = network(json!({}));
    assert_eq!(Plugin::new(root.path(), "ADD", &network).of("c1", "net1").run().code(), 11);
    assert!(is_untouched(&root));
    Plugin::new(root.path(), "DEL", &network).of("c1", "net1").run().good();
    assert_eq!(Plugin::new(root.path(), "STATUS", &network).run().code(), 50);
}

#[test]
fn every_test_that_the_table_of_defects_names_is_there() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = std::fs::read_to_string(crates.join("../docs/reference/attachment-defects.md")).unwrap();
    let is_test = |word: &&str| word.len() > 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let named: Vec<&str> = table.split('`').filter(is_test).collect();
    assert!(named.len() > 60, "{named:?}");
    let mut code = String::new();
    read(crates, &mut code);
    let missing: Vec<&&str> = named.iter().filter(|name| !code.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// All code below a directory.
fn read(directory: &std::path::Path, code: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, code);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            code.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
