//! Attachments, and the pods beside them.

use flyover_api::documents;
use flyover_plan::switch::lint::{Level, Linted, lint};

use super::import::told;

const FIRST: &str = include_str!("documents/kube-ovn-nad.yaml");
const FIRST_POD: &str = include_str!("documents/kube-ovn-pod.yaml");
const SECOND: &str = include_str!("documents/kubevirt-nad.yaml");
const SECOND_VM: &str = include_str!("documents/kubevirt-vm.yaml");

fn linted(text: &str) -> Linted {
    lint(&documents(text).unwrap())
}

fn whole(linted: &Linted) -> String {
    format!("{}\n---\n{}", told(&linted.findings), linted.better.join("---\n"))
}

#[test]
fn the_first_documents_attachment_and_pod_are_made_better() {
    insta::assert_snapshot!(whole(&linted(&format!("{FIRST}---\n{FIRST_POD}"))));
}

#[test]
fn the_second_documents_attachment_and_vm_are_made_better() {
    insta::assert_snapshot!(whole(&linted(&format!("{SECOND}---\n{SECOND_VM}"))));
}

#[test]
fn what_is_better_has_nothing_left_to_make_better() {
    for text in [FIRST, SECOND] {
        let again = linted(&linted(text).better[0]);
        // What a node has to allow is noted of any.
        assert!(again.findings.iter().all(|finding| finding.level == Level::Note), "{:?}", again.findings);
        assert_eq!(again.better, linted(text).better);
    }
}

#[test]
fn every_known_fault_of_a_configuration_is_named() {
    let config = r#"{
	"cniVersion": "0.2.0", "type": "userspace", "sharedDir": "/var/lib/a/very/long/directory/that/somebody/chose/for/sockets/of/all/kinds",
	"logLevel": "debug", "colour": "red", "logLevel": "info",
	"host": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "interface", "vhost": {"mode": "client", "socketfile": "../x"},
	         "bridge": {"bridgeId": 4, "vlanId": 100, "brigdeName": "br0"}},
	"container": {"vhost": {"mode": "client", "socketfile": "a-name-that-is-longer-than-all-names-that-fit-into-a-path"}}
}"#;
    insta::assert_snapshot!(whole(&linted(config)));
}

#[test]
fn another_engine_is_refused_and_nothing_is_made_of_it() {
    let config = r#"{"cniVersion":"1.1.0","name":"x","type":"userspace","host":{"engine":"vpp","iftype":"memif"},
        "container":{"engine":"vpp","memif":{"role":"slave"}}}"#;
    insta::assert_snapshot!(whole(&linted(config)));
}

#[test]
fn pods_that_see_too_much_or_read_what_nobody_writes_are_named() {
    let pod = "kind: Deployment\nmetadata: {name: app}\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n        \
               securityContext: {privileged: true}\n        env:\n        - name: DIR\n          valueFrom: {fieldRef: \
               {fieldPath: \"metadata.annotations['userspace/mappedDir']\"}}\n      volumes:\n      - {name: shared-dir, \
               hostPath: {path: /var/run/openvswitch/pod1/}}\n      - {name: run, hostPath: {path: /var/run/}}\n      \
               - {name: huge, hostPath: {path: /dev/hugepages}}\n      - {name: root, hostPath: {path: /}}\n";
    insta::assert_snapshot!(told(&linted(pod).findings));
}

#[test]
fn a_list_of_plugins_keeps_the_others() {
    let list = r#"{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"tuning"},{"type":"userspace","cniVersion":"1.0.0",
        "name":"n","kubeconfig":"/x","host":{"engine":"ovs-dpdk","vhost":{"mode":"client","group":"g"},"bridge":{"bridgeName":"b"}}}]}"#;
    insta::assert_snapshot!(whole(&linted(list)));
}

#[test]
fn what_kubectl_prints_of_several_is_looked_through() {
    let nad = |mode: &str| {
        format!(
            r#"{{"kind":"NetworkAttachmentDefinition","metadata":{{"name":"{mode}"}},"spec":{{"config":"{{\"cniVersion\":\"0.3.1\",\"name\":\"n\",\"type\":\"userspace\",\"host\":{{\"engine\":\"ovs-dpdk\",\"vhost\":{{\"mode\":\"{mode}\",\"group\":\"g\"}},\"bridge\":{{\"bridgeName\":\"b\"}}}}}}"}}}}"#
        )
    };
    let linted = linted(&format!(r#"{{"kind":"List","items":[{},{}]}}"#, nad("server"), nad("client")));
    assert_eq!(linted.better.len(), 2);
    // Either way is kept: where the switch makes the socket, a broker keeps the pod attached.
    let first: String = linted.better[0].split_whitespace().collect();
    assert!(first.contains(r#""mode":"server","group":"g""#), "{first}");
    let notes: Vec<&str> =
        linted.findings.iter().map(|finding| finding.hint.as_deref().unwrap_or_default()).collect();
    assert_eq!(notes, ["`\"groups\": [\"g\"]` in /etc/flyover/cni.json of each node"; 2]);
}

#[test]
fn two_attachments_of_one_name_are_one_too_many() {
    let findings = linted(&format!("{FIRST}---\n{SECOND}---\n{FIRST}")).findings;
    let twice: Vec<_> =
        findings.iter().filter(|finding| finding.what.contains("another one of that name")).collect();
    assert_eq!(twice.len(), 1, "{findings:?}");
    assert_eq!(twice[0].at, "attachment ovs-dpdk-br0");
}

#[test]
fn what_is_no_attachment_is_said_so() {
    for text in ["", "kind: Service\n", "{}", "kind: NetworkAttachmentDefinition\n", "[1]"] {
        let findings = linted(text).findings;
        assert_eq!(findings.len(), 1, "{text}: {findings:?}");
    }
    let bad = "kind: NetworkAttachmentDefinition\nmetadata: {name: x}\nspec: {config: \"{\"}\n";
    assert!(told(&linted(bad).findings).contains("its configuration is not JSON"));
}
