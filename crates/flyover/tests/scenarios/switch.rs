//! The switch in user space: the first document's pods, from bare nodes to bare nodes.

use std::fs;
use std::path::Path;

use flyover_testkit::cluster::{LANE, READY};

use crate::stage::Stage;

/// Has nodes with hugepages and a switch, once Flyover is installed.
pub(crate) fn prepare(stage: &Stage, folder: &Path) {
    let flyover = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/images/debug/flyover.stripped");
    stage.cluster.load_userspace(folder, &[("flyover", &flyover)]).unwrap();
    stage.cluster.apply(LANE).unwrap();
    stage.wait(&READY);
    stage.cluster.offer_userspace().unwrap();
}

/// A change of a switch that is there is planned on both nodes, down to the plugin's files, which are as they are to be.
fn foresees(stage: &Stage, folder: &Path) {
    let changed = folder.join("changed.yaml");
    fs::write(&changed, LANE.replace("maxSleepUs: 100", "maxSleepUs: 200")).unwrap();
    let planned = stage.done(&["plan", "-f", &changed.display().to_string()]);
    for (word, times) in [("has this spec already", 2), ("gets the change: 1 step;", 2), ("pmd-maxsleep", 2)]
    {
        assert_eq!(planned.matches(word).count(), times, "{word}: {planned}");
    }
}

mod root {
    use std::path::Path;

    use crate::stage::{Stage, gone, soon};
    use crate::traces::{differences, traces};

    #[test]
    fn the_first_documents_pods_come_up_and_forward_and_nothing_is_left_of_them() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-switch");
        let stage = Stage::raise("switch", |_| {});
        stage.cluster.configure_userspace().unwrap();
        let before = traces(&stage);
        stage.install();
        super::prepare(&stage, &folder);
        let ports = || -> Vec<String> {
            let list = ["ovs-vsctl", "list-ports", "br0"];
            stage.cluster.nodes().map(|node| node.exec(&list).unwrap()).collect()
        };
        let bare = ports();
        super::foresees(&stage, &folder);
        let pods = stage.cluster.userspace_pods().unwrap();
        for pod in &pods {
            pod.forward().unwrap();
            soon("packets go round", || pod.received().unwrap() > 1000);
        }
        stage.done(&["status"]);
        let told = stage.done(&["explain", "pod", pods[0].name()]);
        assert!(told.contains("br0"), "{told}");

        stage.cluster.kubectl(&["delete", "pod", "--all", "--wait"]).unwrap();
        for node in stage.cluster.nodes() {
            let left = "ls /run/openvswitch/pods /run/flyover/cni /var/lib/flyover/cni 2>/dev/null | grep -v -e : -e '^lock$'; \
                pgrep -f '[b]roker /'; true";
            gone("what is left of the pods", || node.exec(&["sh", "-c", left]).unwrap());
        }
        assert_eq!(ports(), bare);

        // What was running is gone, and nobody asks for anything.
        stage.cluster.node(2).kill().unwrap();
        stage.cluster.node(2).start().unwrap();
        stage.cluster.until_ready().unwrap();
        soon("the switch of the node runs again", || {
            stage.cluster.node(2).exec(&["ovs-vsctl", "list-ports", "br0"]).is_ok()
        });
        soon("all is as it was asked for", || stage.flyover(&["status"]).status.success());

        stage.done(&["uninstall", "--timeout", "2m"]);
        stage.done(&["verify", "--removed"]);
        // What it counted when it started, it says until it starts again.
        stage.cluster.count_hugepages("0").unwrap();
        assert_eq!(differences(&before, &traces(&stage)), Vec::<String>::new());
        stage.cluster.down().unwrap();
    }
}
