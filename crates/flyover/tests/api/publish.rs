//! Annotations that pods of Userspace CNI read: written to a real API server, and not by what others write there.

use flyover_testkit::ovs::{Options, Switch};
use serde_json::{Value, json};

use crate::node::{Keeper, Node, wait};
use crate::server::Api;

const DATA: &str = "userspace/configuration-data";

/// A node that allows networks to publish, and an API server.
fn node() -> (Node, Api) {
    let node = Node::new(Options::of(Switch::Dpdk { memory_mib: 256, hugepages: false }));
    let api = Api::start(&node.path("api"));
    node.configure("kubeconfigs", json!([api.kubeconfig()]));
    (node, api)
}

fn keep(node: &Node, api: &Api) -> Keeper {
    node.keep_with("1s", &["--kubeconfig", api.kubeconfig().to_str().unwrap()])
}

/// Attaches a container of a pod by a network that names the kubeconfig.
fn attach(node: &Node, api: &Api, container: &str, pod: (&str, &str)) {
    let mut network = Node::network();
    network["kubeconfig"] = json!(api.kubeconfig());
    let (name, uid) = pod;
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};K8S_POD_UID={uid}");
    node.ask("ADD", container, &network, &args);
    std::fs::write(node.path(&format!("var/lib/cni/results/net-{container}-net1")), "{}").unwrap();
    let directory = node.path(&format!("var/lib/kubelet/pods/{uid}"));
    std::fs::create_dir_all(directory).unwrap();
}

/// What the annotation says of each attachment: of which container, and all of it.
fn told(api: &Api, pod: &str) -> Option<Vec<Value>> {
    let text = api.read(pod)?["metadata"]["annotations"][DATA].as_str()?.to_owned();
    serde_json::from_str(&text).ok()
}

fn containers(api: &Api, pod: &str) -> Option<Vec<String>> {
    let all = told(api, pod)?;
    Some(all.iter().map(|one| one["containerId"].as_str().unwrap().to_owned()).collect())
}

fn expected(container: &str) -> Value {
    json!({"containerId": container, "ifName": "net1", "name": "net",
        "config": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "interface", "memif": {},
            "vhost": {"mode": "server", "socketfile": format!("{container}-net1")}, "bridge": {}},
        "ipResult": {"dns": {}}})
}

#[test]
fn a_pod_is_told_of_all_its_attachments_and_what_others_write_is_theirs() {
    let (node, api) = node();
    let uid = api.pod("web");
    let keeper = keep(&node, &api);
    attach(&node, &api, "c1", ("web", &uid));
    let mut first = wait("the annotation", || told(&api, "web")).remove(0);
    let interface = first["ipResult"]["interfaces"].take();
    assert_eq!(interface[0]["sandbox"], "/run/netns/pod");
    first["ipResult"].as_object_mut().unwrap().remove("interfaces");
    assert_eq!(first, expected("c1"));
    attach(&node, &api, "c2", ("web", &uid));
    wait("both", || (containers(&api, "web")? == ["c1", "c2"]).then_some(()));

    let pod = api.read("web").unwrap();
    let annotations = pod["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations["userspace/mapped-dir"], "/var/lib/cni/usrspcni");
    assert_eq!((annotations["other"].as_str(), annotations.len()), (Some("stays"), 3));
    let managers = pod["metadata"]["managedFields"].as_array().unwrap();
    let ours = managers.iter().find(|manager| manager["manager"] == "flyover-switch").unwrap();
    let fields =
        json!({"f:metadata": {"f:annotations": {format!("f:{DATA}"): {}, "f:userspace/mapped-dir": {}}}});
    assert_eq!((ours["operation"].as_str(), &ours["fieldsV1"]), (Some("Apply"), &fields));

    // What somebody else writes there decides nothing, and goes with the next that we have to tell.
    api.kubectl(&[
        "annotate",
        "pod",
        "web",
        "--overwrite",
        &format!("{DATA}=[{{\"containerId\": \"forged\"}}]"),
    ]);
    node.call("DEL", "c1");
    wait("what is left", || (containers(&api, "web")? == ["c2"]).then_some(()));
    assert!(node.has("c2") && !node.has("c1"));
    assert_eq!(keeper.end(), Some(0));
}

#[test]
fn a_server_that_is_away_is_asked_again_and_a_pod_that_is_gone_is_not_made() {
    let (node, mut api) = node();
    let uid = api.pod("web");
    let keeper = keep(&node, &api);
    let tried = |result: &str| {
        keeper.metric(&format!("flyover_switch_pod_annotations_total{{result=\"{result}\"}}")).unwrap()
    };
    api.stop();
    attach(&node, &api, "c1", ("web", &uid));
    wait("an attempt", || (tried("failed") > 0).then_some(()));
    assert!(node.log().contains("it is tried again"), "{}", node.log());
    api.go_on();
    wait("the annotation", || (containers(&api, "web")? == ["c1"]).then_some(()));
    assert!(tried("written") > 0);

    // Another pod of that name is another pod.
    api.kubectl(&["delete", "pod", "web", "--force", "--grace-period=0"]);
    api.pod("web");
    attach(&node, &api, "c2", ("web", &uid));
    let gone = "pod default/web is not there any more";
    wait("the word of it", || node.log().contains(gone).then_some(()));
    api.kubectl(&["delete", "pod", "web", "--force", "--grace-period=0"]);
    attach(&node, &api, "c3", ("web", &uid));
    wait("the word of that", || (node.log().matches(gone).count() > 1).then_some(()));
    assert_eq!(api.read("web"), None);
}
