//! What the plugin before us got wrong and no other file of tests holds: docs/reference/attachment-defects.md names all.

use flyover_ovs::Condition;
use flyover_ovs::tables::Bridge;
use serde_json::{Value, json};

use super::rig::{Rig, below};

const ARGS: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID=uid-1";

fn served(rig: &Rig) -> Value {
    let mut network = rig.network("net");
    network["host"]["vhost"]["mode"] = "server".into();
    network["container"]["vhost"]["mode"] = "client".into();
    network
}

#[test]
fn the_del_of_one_interface_leaves_the_others_of_its_pod() {
    let rig = Rig::new();
    let volume = rig.pod("uid-1");
    let network = served(&rig);
    let call = |verb: &str, ifname: &str| {
        rig.call(verb, &network).of("c1", ifname).with("CNI_ARGS", ARGS).run().good()
    };
    for ifname in ["net1", "net11", "net2"] {
        call("ADD", ifname);
    }
    call("DEL", "net1");
    assert_eq!(below(&volume), ["c1-net11", "c1-net2"]);
    assert_eq!(rig.ports(), ["c1-net11".to_owned(), "c1-net2".to_owned()].into());
    call("DEL", "net11");
    call("DEL", "net2");
    assert_eq!((rig.traces(), below(&volume)), (Vec::new(), Vec::new()));
}

#[test]
fn del_is_done_after_the_pod_and_its_volume_are_gone_wherever_the_kubelet_keeps_them() {
    let rig = Rig::new();
    let kubelet = rig.path("srv/a/b/kubelet");
    rig.node(&json!({"kubeletRoot": kubelet}));
    let pod = kubelet.join("pods/uid-1");
    std::fs::create_dir_all(pod.join("volumes/kubernetes.io~empty-dir/shared-dir")).unwrap();
    let network = served(&rig);
    let call = |verb: &str| rig.call(verb, &network).of("c1", "net1").with("CNI_ARGS", ARGS).run();
    call("ADD").good();
    assert_eq!(below(&pod.join("volumes/kubernetes.io~empty-dir/shared-dir")), ["c1-net1"]);
    // The kubelet removes what it can; what is mounted elsewhere too stays readable there.
    std::fs::remove_dir_all(&pod).unwrap();
    rig.call("DEL", &network).of("c1", "net1").without("CNI_NETNS").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
    call("DEL").good();
}

#[test]
fn parallel_adds_make_a_bridge_that_is_not_there_once() {
    let rig = Rig::new();
    rig.node(&json!({"createBridges": true}));
    let mut network = rig.network("net");
    network["host"]["bridge"]["bridgeName"] = "br9".into();
    let all = |verb: &'static str| {
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (rig, network) = (&rig, &network);
                scope.spawn(move || rig.call(verb, network).of(&format!("c{number}"), "net1").run().good());
            }
        });
    };
    all("ADD");
    let bridges = rig.client().rows::<Bridge>(&[Condition::equals("name", "br9")]).unwrap();
    // Its own port and eight.
    assert_eq!(bridges.iter().map(|bridge| bridge.ports.len()).collect::<Vec<_>>(), [9]);
    all("DEL");
    assert_eq!(rig.traces(), Vec::<String>::new());
}
