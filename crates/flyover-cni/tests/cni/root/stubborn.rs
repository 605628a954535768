//! DEL comes to its end whatever became of the node since ADD, and does not where something would stay.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use super::rig::{Rig, below};

fn clean(rig: &Rig) {
    assert_eq!(rig.traces(), Vec::<String>::new());
}

/// The only state there is.
fn state(rig: &Rig) -> std::path::PathBuf {
    let of =
        |place: &str| below(&rig.path(place)).into_iter().map(|name| rig.path(place).join(name)).collect();
    let all: [Vec<std::path::PathBuf>; 2] = ["run/flyover/cni", "var/lib/flyover/cni"].map(of);
    all.into_iter().flatten().find(|path| path.extension().is_some()).unwrap()
}

#[test]
fn who_gave_an_address_is_asked_first_by_what_it_was_asked_with() {
    let rig = Rig::new();
    let path = rig.address_plugin("addresses");
    let mut network = rig.network("net");
    let mut call = |verb: &str, mark: &str| {
        network["ipam"] = json!({"type": "addresses", "mark": mark});
        rig.call(verb, &network).of("c1", "net1").with("CNI_PATH", &path).run()
    };
    // An ADD that died after it had asked for an address.
    call("ADD", "first").good();
    let mut died: Value = serde_json::from_str(&fs::read_to_string(state(&rig)).unwrap()).unwrap();
    (died["phase"], died["result"]) = ("adding".into(), Value::Null);
    let died = died.to_string();
    fs::write(state(&rig), &died).unwrap();
    let file = state(&rig);
    call("DEL", "second").good();
    let asked = ["began ADD first", "ended ADD first", "began DEL first", "ended DEL first"];
    assert_eq!(rig.asked(), asked);
    fs::write(&file, died).unwrap();
    fs::write(rig.path("bin/refuses DEL first"), "").unwrap();
    call("DEL", "second").good();
    assert_eq!(rig.asked()[4..], ["began DEL first", "began DEL second", "ended DEL second"]);
    clean(&rig);
}

#[test]
fn a_database_and_a_plugin_for_addresses_that_moved_since_are_found() {
    let rig = Rig::new();
    let (old, bin) = (rig.path("old.sock"), rig.path("bin"));
    symlink(rig.path("run/openvswitch/db.sock"), &old).unwrap();
    fs::create_dir_all(&bin).unwrap();
    symlink("/usr/lib/cni/host-local", bin.join("host-local")).unwrap();
    rig.node(&json!({"database": old}));
    let network = rig.addressed("net", "1.0.0");
    rig.call("ADD", &network).of("c1", "net1").with("CNI_PATH", bin.to_str().unwrap()).run().good();
    fs::remove_file(&old).unwrap();
    fs::remove_dir_all(&bin).unwrap();
    rig.node(&json!({}));
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
}

#[test]
fn a_full_disk_keeps_nothing_that_can_be_removed_without_it() {
    let rig = Rig::new();
    let states = rig.path("var/lib/flyover/cni");
    fs::create_dir_all(&states).unwrap();
    mount(Some("small"), &states, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
    let network = rig.addressed("net", "1.0.0");
    rig.call("ADD", &network).of("c1", "net1").run().good();
    fs::write(states.join("filler"), vec![0_u8; 1 << 20]).unwrap_err();
    let deleted = rig.call("DEL", &network).of("c1", "net1").run();
    fs::remove_file(states.join("filler")).unwrap();
    let traces = rig.traces();
    umount2(&states, MntFlags::MNT_DETACH).unwrap();
    deleted.good();
    assert_eq!(traces, Vec::<String>::new());
}

#[test]
fn a_port_is_not_forgotten_with_a_state_that_cannot_be_read() {
    let mut rig = Rig::new();
    let network = rig.network("net");
    rig.call("ADD", &network).of("c1", "net1").run().good();
    fs::write(state(&rig), "{").unwrap();
    rig.kill_server();
    assert_eq!(rig.call("DEL", &network).of("c1", "net1").run().code(), 11);
    rig.start_server();
    rig.call("DEL", &network).of("c1", "net1").run().good();
    clean(&rig);
}

#[test]
fn del_waits_for_a_plugin_for_addresses_that_outlived_the_add() {
    let rig = Rig::new();
    let path = rig.address_plugin("slow");
    let mut network = rig.network("net");
    network["ipam"] = json!({"type": "slow", "mark": "one"});
    fs::write(rig.path("bin/slow ADD"), "").unwrap();
    let call = |verb: &str| rig.call(verb, &network).of("c1", "net1").with("CNI_PATH", &path);
    let mut add = call("ADD").start();
    let end = Instant::now() + Duration::from_secs(10);
    while !rig.path("bin/log").exists() {
        assert!(Instant::now() < end, "the plugin for addresses is not asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    add.kill().unwrap();
    add.wait().unwrap();
    call("DEL").run().good();
    assert_eq!(rig.asked(), ["began ADD one", "ended ADD one", "began DEL one", "ended DEL one"]);
    clean(&rig);
}

#[test]
fn a_state_that_was_cut_stops_nobody_and_is_told() {
    let rig = Rig::new();
    let log = rig.path("log");
    rig.node(&json!({"logFile": log}));
    let network = rig.addressed("net", "1.0.0");
    let call = |verb: &str| rig.call(verb, &network).of("c1", "net1").run();
    let mut gc = rig.network("net");
    gc["cni.dev/valid-attachments"] = json!([]);
    for half in [false, true] {
        let cut = || {
            let whole = fs::read(state(&rig)).unwrap();
            fs::write(state(&rig), &whole[..if half { whole.len() / 2 } else { 0 }]).unwrap();
        };
        call("ADD").good();
        cut();
        call("ADD").good();
        assert_eq!((rig.ports().len(), rig.addresses().len()), (1, 1));
        cut();
        call("DEL").good();
        clean(&rig);
        // Without the network nobody knows of an address; there is none here.
        rig.call("ADD", &rig.network("net")).of("c1", "net1").run().good();
        cut();
        rig.call("GC", &gc).run().good();
        clean(&rig);
    }
    let said = fs::read_to_string(log).unwrap();
    assert_eq!(said.lines().filter(|line| line.contains(" was cut: ")).count(), 6, "{said}");
}
