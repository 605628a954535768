//! A pod that wants out: what it puts into its volume, and what whoever wrote its network asks for.
//!
//! How it is seen: everything around the attachments has a hash before and after, names, contents, owners and modes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::rig::Rig;
use crate::plugin::Plugin;

/// Everything below a directory, by its path.
fn witness(root: &Path) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    look(root, &mut seen);
    seen
}

fn look(path: &Path, seen: &mut BTreeMap<String, String>) {
    let meta = path.symlink_metadata().unwrap();
    let content =
        if meta.is_file() { String::from_utf8(fs::read(path).unwrap()).unwrap() } else { String::new() };
    let what = format!("{:o} {}:{} {content}", meta.mode(), meta.uid(), meta.gid());
    seen.insert(path.display().to_string(), what);
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            look(&entry.path(), seen);
        }
    }
}

/// What a pod would like to reach.
fn treasure(rig: &Rig) -> std::path::PathBuf {
    let treasure = rig.path("treasure");
    fs::create_dir_all(treasure.join("deep")).unwrap();
    fs::write(treasure.join("deep/secret"), "secret").unwrap();
    treasure
}

fn args(uid: &str) -> String {
    format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID={uid}")
}

fn add(rig: &Rig, network: &Value) -> Plugin {
    rig.call("ADD", network).of("c1", "net1").with("CNI_ARGS", &args("uid-1"))
}

#[test]
fn a_volume_that_is_a_link_is_refused_and_nothing_is_made() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let before = witness(&treasure);
    let volumes = rig.path("var/lib/kubelet/pods/uid-1/volumes/kubernetes.io~empty-dir");
    fs::create_dir_all(&volumes).unwrap();
    for target in [treasure.as_path(), Path::new("../../../../../../../treasure"), Path::new("/")] {
        symlink(target, volumes.join("shared-dir")).unwrap();
        assert_eq!(add(&rig, &rig.network("net")).run().code(), 103);
        fs::remove_file(volumes.join("shared-dir")).unwrap();
    }
    nix::unistd::mkfifo(&volumes.join("shared-dir"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(add(&rig, &rig.network("net")).run().code(), 103);
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert_eq!(witness(&treasure), before);
}

#[test]
fn what_a_pod_puts_into_its_volume_is_neither_followed_nor_removed() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let volume = rig.pod("uid-1");
    // Where the socket is to be there is a link, and links and pipes are everywhere else.
    symlink(treasure.join("deep/secret"), volume.join("c1-net1")).unwrap();
    symlink(&treasure, volume.join("deep")).unwrap();
    nix::unistd::mkfifo(&volume.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let before = (witness(&treasure), witness(&rig.path("var/lib/kubelet")));
    let network = rig.network("net");
    let result = add(&rig, &network).run().good();
    let socket = result["interfaces"][0]["socketPath"].as_str().unwrap().to_owned();
    // Seen from where the switch looks, the pod's link is no way.
    let refused = fs::read(&socket).unwrap_err().raw_os_error();
    assert_eq!(refused, Some(nix::errno::Errno::ELOOP as i32));
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    let mut after = (witness(&treasure), witness(&rig.path("var/lib/kubelet")));
    // The volume got the node's group, which is all we change of it.
    let name = volume.display().to_string();
    after.1.insert(name.clone(), before.1[&name].clone());
    assert_eq!(after, before);
}

#[test]
fn what_lies_in_our_own_directory_goes_and_what_it_links_to_stays() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let before = witness(&treasure);
    let network = rig.network("net");
    let result = rig.call("ADD", &network).of("c1", "net1").run().good();
    let socket = result["interfaces"][0]["socketPath"].as_str().unwrap().to_owned();
    let ours = Path::new(&socket).parent().unwrap();
    symlink(treasure.join("deep"), ours.join("c1-net1")).unwrap();
    symlink(&treasure, ours.join("-rf")).unwrap();
    fs::create_dir_all(ours.join("a/b/c")).unwrap();
    symlink(&treasure, ours.join("a/b/c/d")).unwrap();
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert_eq!(witness(&treasure), before);
}

#[test]
fn renames_while_add_and_del_run_lead_nowhere() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let before = witness(&treasure);
    let volume = rig.pod("uid-1");
    let aside = volume.with_file_name("aside");
    let stop = Arc::new(AtomicBool::new(false));
    let pod = {
        let (stop, volume, treasure) = (Arc::clone(&stop), volume.clone(), treasure.clone());
        std::thread::spawn(move || {
            // Swaps the volume for a link to what it wants, as fast as it can. What fails is tried again.
            while !stop.load(Ordering::SeqCst) {
                let _moved = fs::rename(&volume, &aside);
                let _linked = symlink(&treasure, &volume);
                let _unlinked = fs::remove_file(&volume);
                let _back = fs::rename(&aside, &volume);
            }
            let _unlinked = fs::remove_file(&volume);
            let _back = fs::rename(&aside, &volume);
        })
    };
    let network = rig.network("net");
    for _ in 0..60 {
        let ran = add(&rig, &network).run();
        if !ran.status.success() {
            assert!([100, 103].contains(&ran.code()), "{ran:?}");
        }
        rig.call("DEL", &network).of("c1", "net1").run().good();
        assert_eq!(rig.traces(), Vec::<String>::new());
    }
    stop.store(true, Ordering::SeqCst);
    pod.join().unwrap();
    assert_eq!(witness(&treasure), before);
}

#[test]
fn a_network_that_asks_for_files_of_the_host_gets_none() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let before = witness(&treasure);
    let secret = treasure.join("deep/secret");
    let mut network = rig.network("net");
    network["logFile"] = json!(treasure.join("log"));
    network["logLevel"] = "debug".into();
    network["kubeconfig"] = json!(secret);
    network["socketDir"] = json!(treasure);
    network["ipam"] = json!({});
    let result = rig.call("ADD", &network).of("c1", "net1").run().good();
    assert!(
        result["interfaces"][0]["socketPath"]
            .as_str()
            .unwrap()
            .starts_with(rig.path("run/flyover").to_str().unwrap())
    );
    let state = fs::read_dir(rig.path("run/flyover/cni")).unwrap().flatten().map(|entry| entry.path());
    let state = state.filter(|path| path.extension().is_some()).map(|path| fs::read_to_string(path).unwrap());
    assert!(
        state.into_iter().all(|text| text.contains("\"publish\":null")),
        "nothing is published by a forged kubeconfig"
    );
    rig.call("DEL", &network).of("c1", "net1").run().good();
    for (key, value) in [
        ("sharedDir", json!(treasure)),
        ("runtimeConfig", json!({"CNIDeviceInfoFile": secret})),
        ("host", json!({"vhost": {"mode": "client", "socketfile": "../../../treasure/s"}})),
        ("host", json!({"vhost": {"mode": "client", "group": "root"}})),
    ] {
        let mut network = rig.network("net");
        network[key] = value;
        assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 7, "{network}");
        rig.call("DEL", &network).of("c1", "net1").run().good();
    }
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert_eq!(witness(&treasure), before);
}

fn network_of_another(rig: &Rig) {
    let mut network = rig.network("net");
    network["host"]["vhost"]["socketfile"] = "c1-net3".into();
    let call = rig.call("ADD", &network).of("c1", "net2").with("CNI_ARGS", &args("uid-1"));
    assert_eq!(call.run().code(), 7);
}

#[test]
fn two_attachments_of_a_pod_do_not_have_one_socket() {
    let rig = Rig::new();
    rig.pod("uid-1");
    let mut network = rig.network("net");
    network["host"]["vhost"]["socketfile"] = "s".into();
    let call = |verb: &str, ifname: &str| {
        rig.call(verb, &network).of("c1", ifname).with("CNI_ARGS", &args("uid-1")).run()
    };
    call("ADD", "net1").good();
    let before = rig.traces();
    assert_eq!(call("ADD", "net2").code(), 7);
    // Nor one that is called as another's of the same pod would be.
    network_of_another(&rig);
    assert_eq!(rig.traces(), before, "the first has all it had");
    call("DEL", "net2").good();
    call("DEL", "net1").good();
    call("ADD", "net2").good();
    call("DEL", "net2").good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn forged_results_and_arguments_lead_del_nowhere() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let before = witness(&treasure);
    let network = rig.network("net");
    rig.call("ADD", &network).of("c1", "net1").run().good();
    rig.call("ADD", &network).of("c2", "net1").run().good();
    let mut forged = network.clone();
    forged["prevResult"] = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "net1", "sandbox": "/run/netns/pod",
        "socketPath": treasure.join("deep/secret")}]});
    forged["runtimeConfig"] = json!({"CNIDeviceInfoFile": treasure.join("deep/secret")});
    let del =
        rig.call("DEL", &forged).of("c1", "net1").with("CNI_ARGS", "K8S_POD_UID=../../../treasure;;=;x");
    del.with("CNI_NETNS", "../../treasure\n").run().good();
    assert_eq!(rig.ports(), ["c2-net1".to_owned()].into());
    rig.call("DEL", &network).of("c2", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert_eq!(witness(&treasure), before);
}

#[test]
fn a_container_with_a_short_name_and_one_with_a_long_one_are_attached() {
    let rig = Rig::new();
    let network = rig.network("net");
    for container in ["a", "0123456789ab", &"x".repeat(255)] {
        rig.call("ADD", &network).of(container, "net1").run().good();
        rig.call("DEL", &network).of(container, "net1").run().good();
    }
    // Ids that are no hashes begin alike, and are two containers still.
    for container in ["my-deployment-1", "my-deployment-2"] {
        rig.call("ADD", &network).of(container, "net1").run().good();
    }
    assert_eq!(rig.ports().len(), 2);
    for container in ["my-deployment-1", "my-deployment-2"] {
        rig.call("DEL", &network).of(container, "net1").run().good();
    }
    // What cannot be in the name of a port is replaced by the attachment's short name.
    rig.call("ADD", &network).of("a", "net@1").run().good();
    assert_eq!(rig.ports().iter().map(String::len).collect::<Vec<_>>(), [16]);
    rig.call("DEL", &network).of("a", "net@1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn a_link_below_a_shared_directory_leads_nowhere() {
    let rig = Rig::new();
    let treasure = treasure(&rig);
    let before = witness(&treasure);
    let shared = rig.path("shared");
    fs::create_dir_all(&shared).unwrap();
    rig.node(&json!({"sharedDirs": [shared]}));
    symlink(&treasure, shared.join("x")).unwrap();
    let mut network = rig.network("net");
    network["sharedDir"] = json!(shared.join("x"));
    assert_eq!(rig.call("ADD", &network).of("c1", "net1").run().code(), 103);
    rig.call("DEL", &network).of("c1", "net1").run().good();
    fs::remove_file(shared.join("x")).unwrap();
    fs::create_dir(shared.join("x")).unwrap();
    rig.call("ADD", &network).of("c1", "net1").run().good();
    // What was a directory is a link by the time it is left.
    fs::rename(shared.join("x"), shared.join("y")).unwrap();
    symlink(&treasure, shared.join("x")).unwrap();
    fs::create_dir(treasure.join("c1")).unwrap();
    let before_leaving = witness(&treasure);
    let _told = rig.call("DEL", &network).of("c1", "net1").run();
    assert_eq!(witness(&treasure), before_leaving);
    fs::remove_dir(treasure.join("c1")).unwrap();
    assert_eq!(witness(&treasure), before);
}

#[test]
fn what_add_refused_is_detached_all_the_same() {
    let rig = Rig::new();
    for (key, value) in [
        ("ipam", json!({"type": "../x"})),
        ("ipam", json!({"type": "nobody-has-it"})),
        ("runtimeConfig", json!({"CNIDeviceInfoFile": rig.path("var/run/k8s.cni.cncf.io/devinfo")})),
        ("runtimeConfig", json!({"CNIDeviceInfoFile": rig.path("var/run/k8s.cni.cncf.io/devinfo/../x")})),
    ] {
        let mut network = rig.network("net");
        network[key] = value;
        assert!(!rig.call("ADD", &network).of("c1", "net1").run().status.success(), "{network}");
        rig.call("DEL", &network).of("c1", "net1").run().good();
    }
    // Whoever has the first attachment decides nothing for others: the root is open to pass through.
    rig.call("ADD", &rig.network("net")).of("c1", "net1").run().good();
    assert_eq!(fs::metadata(rig.path("run/flyover/vhost")).unwrap().mode() & 0o7777, 0o711);
    rig.call("DEL", &rig.network("net")).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}
