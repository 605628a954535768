//! The switch in user space: the first document's pods, from bare nodes to bare nodes.

use std::path::Path;

use flyover_testkit::cluster::Daemon;
use nix::sys::signal::Signal;

use crate::stage::{Stage, soon};

/// A node's own word for where sockets are: the document's pod has the switch's directory, and nothing else of the node.
const NODE: &str =
    "mkdir -p /etc/flyover; echo '{\"socketRoot\": \"/run/openvswitch/pods\"}' >/etc/flyover/cni.json";

/// Writes the nodes' own word down.
pub(crate) fn configure(stage: &Stage) {
    for node in stage.cluster.nodes() {
        node.exec(&["sh", "-c", NODE]).unwrap();
    }
}

/// Has nodes with hugepages and a switch, once Flyover is installed.
pub(crate) fn prepare(stage: &Stage, folder: &Path) {
    crate::testpmd::load(stage, folder);
    stage.cluster.apply(include_str!("switch.yaml")).unwrap();
    stage.wait(&["--for=condition=Ready", "nodeprofile/hugepages", "switch/dpdk"]);
    count_hugepages(stage, "2Gi");
    for node in stage.cluster.nodes() {
        let node = format!("node/{}", node.name());
        soon("the node has a switch to give", || {
            !["", "0"].contains(&&*stage.field(&node, r".status.allocatable.flyover\.dev/switch-br0"))
        });
    }
}

/// Has kubelets count hugepages, which they do when they start.
pub(crate) fn count_hugepages(stage: &Stage, many: &str) {
    for node in stage.cluster.nodes() {
        node.restart(Daemon::Kubelet, Signal::SIGTERM).unwrap();
        let name = format!("node/{}", node.name());
        soon("the node has so many hugepages", || {
            stage.field(&name, ".status.capacity.hugepages-2Mi") == many
        });
    }
}

mod root {
    use std::path::Path;

    use crate::stage::{Stage, gone, soon};
    use crate::testpmd;
    use crate::traces::{differences, traces};

    #[test]
    fn the_first_documents_pods_come_up_and_forward_and_nothing_is_left_of_them() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-switch");
        let stage = Stage::raise("switch", |_| {});
        super::configure(&stage);
        let before = traces(&stage);
        stage.install();
        super::prepare(&stage, &folder);
        let ports = || -> Vec<String> {
            let list = ["ovs-vsctl", "list-ports", "br0"];
            stage.cluster.nodes().map(|node| node.exec(&list).unwrap()).collect()
        };
        let bare = ports();
        let pods = testpmd::create(&stage);
        for pod in &pods {
            testpmd::forward(&stage, pod);
            // A burst is 32 packets from each port: what was counted more often was forwarded.
            soon("packets go round", || testpmd::received(&stage, pod) > 1000);
        }
        stage.done(&["status"]);
        let told = stage.done(&["explain", "pod", &pods[0]]);
        assert!(told.contains("br0"), "{told}");

        stage.cluster.kubectl(&["delete", "pod", "--all", "--wait"]).unwrap();
        for node in stage.cluster.nodes() {
            let left = "ls /run/openvswitch/pods /run/flyover/cni /var/lib/flyover/cni 2>/dev/null | grep -v -e : -e '^lock$'; \
                pgrep -f '[b]roker /'; true";
            gone("what is left of the pods", || node.exec(&["sh", "-c", left]).unwrap());
        }
        assert_eq!(ports(), bare);

        stage.done(&["uninstall", "--timeout", "2m"]);
        stage.done(&["verify", "--removed"]);
        // What it counted when it started, it says until it starts again.
        super::count_hugepages(&stage, "0");
        assert_eq!(differences(&before, &traces(&stage)), Vec::<String>::new());
        stage.cluster.down().unwrap();
    }
}
