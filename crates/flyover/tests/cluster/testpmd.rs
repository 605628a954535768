//! The first document's pod, with what this machine has of it: the image is of Debian's packages, and hugepages have 2 MiB.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flyover_bundle::{Architecture, Config, Content, Image, Layout};
use flyover_testkit::cluster::{busybox_files, libraries};

use crate::stage::Stage;

const PROGRAM: &str = "/usr/bin/dpdk-testpmd";
/// Where Debian's DPDK looks for drivers; and those that are needed for ports on sockets.
const DRIVERS: &str = "/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0";
const NEEDED: [&str; 4] = ["librte_bus_vdev", "librte_mempool_ring", "librte_net_virtio", "librte_bus_pci"];
/// The network of the document, as it stands there.
const NETWORK: &str = include_str!("../../../flyover-cni-core/tests/fixtures/nad-ovs-dpdk-br0.json");

/// Writes the image, with a shell and `flyover` beside, and gives it to the nodes.
pub(crate) fn load(stage: &Stage, folder: &Path) {
    let drivers = NEEDED.map(|name| Path::new(DRIVERS).join(format!("{name}.so.23.0")));
    let flyover = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/images/debug/flyover.stripped");
    let programs = [&[PathBuf::from(PROGRAM)], &drivers[..]].concat();
    let linked: BTreeSet<PathBuf> =
        programs.iter().chain([&flyover]).flat_map(|program| libraries(program).unwrap()).collect();
    let mut files = busybox_files().unwrap();
    files = files.file("/bin/flyover", 0o755, Content::Disk(flyover)).unwrap();
    for path in linked.iter().chain(&programs) {
        // A driver that two paths lead to has to be one file, for it must not be loaded twice.
        let real = path.canonicalize().unwrap();
        let at = |path: &Path| path.to_str().unwrap().to_owned();
        files = files.file(&at(&real), 0o755, Content::Disk(real.clone())).unwrap();
        if real != *path {
            files = files.link(&at(path), at(&real)).unwrap();
        }
    }
    let environment = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    let config = Config { environment, ..Config::default() };
    let mut layout = Layout::create(&folder.join("dpdk")).unwrap();
    layout
        .add("rig.local/dpdk:22.11", &[Image { architecture: Architecture::Amd64, files, config }])
        .unwrap();
    stage.cluster.load_image(&layout.finish().unwrap()).unwrap();
}

/// The document's network and a pod of its on each node; the pods' names.
pub(crate) fn create(stage: &Stage) -> Vec<String> {
    let network = serde_json::json!({
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "ovs-dpdk-br0"},
        "spec": {"config": NETWORK},
    });
    stage.cluster.apply(&network.to_string()).unwrap();
    let nodes = stage.cluster.nodes().map(|node| node.name());
    let create = |node: String| {
        let spec = include_str!("first-document.yaml").replace("NODE", &node);
        let create = stage.cluster.ask(&["create", "-f", "-", "--output=jsonpath={.metadata.name}"]);
        create.stdin(spec).run().unwrap()
    };
    let pods: Vec<String> = nodes.map(create).collect();
    for pod in &pods {
        stage.wait(&["--for=condition=Ready", &format!("pod/{pod}")]);
    }
    pods
}

/// Has it forward between its two ports until the pod goes, with a burst for a start.
pub(crate) fn forward(stage: &Stage, pod: &str) {
    start(stage, pod, "--forward-mode=io --tx-first --stats-period 1");
}

/// Starts it in its pod; what it says is in a file there.
pub(crate) fn start(stage: &Stage, pod: &str, how: &str) {
    let start = format!(
        "set -- /vhu/pods/????????????????/*-net1 /vhu/pods/????????????????/*-net2; \
        (sleep 100000 | dpdk-testpmd --lcores=0@0,1@1 -m 128 --huge-dir /hugepages --single-file-segments --no-pci \
        --vdev=net_virtio_user0,path=$1,mac=02:00:00:00:0b:01 --vdev=net_virtio_user1,path=$2,mac=02:00:00:00:0b:02 \
        -- --no-mlockall --total-num-mbufs=8192 {how}) >/tmp/testpmd.log 2>&1 </dev/null &"
    );
    stage.cluster.kubectl(&["exec", pod, "--", "sh", "-c", &start]).unwrap();
}

/// Packets that its ports have received, by the last that it said.
pub(crate) fn received(stage: &Stage, pod: &str) -> u64 {
    let ask = "grep RX-packets: /tmp/testpmd.log | tail -n 2 | awk '{n += $2} END {print n + 0}'";
    stage.cluster.kubectl(&["exec", pod, "--", "sh", "-c", ask]).unwrap().trim().parse().unwrap()
}
