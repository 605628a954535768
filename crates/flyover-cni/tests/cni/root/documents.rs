//! The networks of both documents, as they stand there.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyover_cni_core::broker;
use flyover_host::cmd::Cmd;
use flyover_ovs::Condition;
use flyover_ovs::tables::Interface;
use flyover_testkit::ovs::frames::{broadcast, passes};
use flyover_vhost::{Port, Settings};
use serde_json::{Value, json};

use super::rig::Rig;

const KUBE_OVN: &str = include_str!("../../../../flyover-cni-core/tests/fixtures/nad-ovs-dpdk-br0.json");
const KUBEVIRT: &str =
    include_str!("../../../../flyover-cni-core/tests/fixtures/nad-userspace-ovs-net-1.json");

/// For a frame to pass.
const LIMIT: Duration = Duration::from_secs(30);

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
    assert!(!Path::new("/var/log/userspace-ovs-net-1-cni.log").exists());
}

/// Where the pod finds the socket of an attachment.
fn socket(rig: &Rig, name: &str) -> PathBuf {
    let root = rig.path("run/flyover/vhost");
    let directories = super::rig::below(&root).into_iter().filter(|name| !name.ends_with(".back"));
    let mut places = directories.flat_map(|of| ["", "v"].map(|below| root.join(&of).join(below).join(name)));
    places.find(|path| path.exists()).unwrap()
}

#[test]
fn the_network_of_the_first_document_joins_two_interfaces_and_outlives_the_switch() {
    let mut rig = Rig::new();
    let network: Value = serde_json::from_str(KUBE_OVN).unwrap();
    for ifname in ["net1", "net2"] {
        let result = rig.call("ADD", &network).of("0123456789abcdef", ifname).run().good();
        let mac = result["interfaces"][0]["mac"].clone();
        let expected = json!({"cniVersion": "0.3.1",
            "interfaces": [{"name": ifname, "mac": mac, "sandbox": "/run/netns/pod"}]});
        assert_eq!(result, expected);
    }
    let fronts = ["net1", "net2"].map(|ifname| socket(&rig, &format!("0123456789ab-{ifname}")));
    assert!(fronts.iter().all(|front| front.metadata().unwrap().file_type().is_socket()));
    let brokers = fronts.each_ref().map(|front| broker::find(front.parent().unwrap())[0]);
    let [mut a, mut b] = fronts.each_ref().map(|front| Port::connect(front, Settings::default()));
    passes(&mut a, &mut b, &broadcast("before"), LIMIT).unwrap();
    rig.kill_daemon();
    rig.start_daemon();
    // Neither the pod nor anybody else did anything.
    passes(&mut a, &mut b, &broadcast("after"), LIMIT).unwrap();
    passes(&mut b, &mut a, &broadcast("back"), LIMIT).unwrap();
    assert!(brokers.into_iter().all(broker::runs));
    rig.call("DEL", &network).of("0123456789abcdef", "net2").run().good();
    assert_eq!(brokers.map(broker::runs), [true, false]);
    rig.call("DEL", &network).of("0123456789abcdef", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert!(!Path::new("/var/log/userspace-ovs-dpdk-br0.log").exists());
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

/// Both documents' networks by the runtime of the CNI project, as they stand there.
#[test]
fn cnitool_attaches_and_detaches_both_documents_networks() {
    let rig = Rig::new();
    rig.bridge("br-dpdk0", "netdev");
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/cnitool");
    assert!(tool.exists(), "`scripts/install-cnitool` makes `{}`", tool.display());
    let (bin, networks) = (rig.path("bin"), rig.path("net.d"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(&networks).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_flyover-cni"), bin.join("userspace")).unwrap();
    Cmd::new("ip").args(["netns", "add", "pod"]).run().unwrap();
    for (name, network) in [("ovs-dpdk-br0", KUBE_OVN), ("userspace-ovs-net-1", KUBEVIRT)] {
        std::fs::write(networks.join(format!("{name}.conf")), network).unwrap();
        let run = |verb: &str| {
            let call = Cmd::new(&tool).args([verb, name, "/run/netns/pod"]);
            let call =
                call.env("NETCONFPATH", &networks).env("FLYOVER_ROOT", rig.root()).env("CNI_IFNAME", "net1");
            call.env("CNI_PATH", format!("{}:/usr/lib/cni", bin.display())).end().unwrap()
        };
        let added = run("add");
        assert!(added.status.success(), "{added:?}");
        let result: Value = serde_json::from_str(&added.stdout).unwrap();
        assert_eq!(
            (&result["cniVersion"], &result["interfaces"][0]["name"]),
            (&json!("0.3.1"), &json!("net1"))
        );
        assert_eq!(result["ips"].as_array().map_or(0, Vec::len), usize::from(name == "userspace-ovs-net-1"));
        for _ in 0..2 {
            let deleted = run("del");
            assert!(deleted.status.success(), "{deleted:?}");
        }
        assert_eq!(rig.traces(), Vec::<String>::new());
    }
}
