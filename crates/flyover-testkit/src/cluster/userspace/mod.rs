//! A switch in user space on every node, and the first document's pods on it.
//!
//! What this machine has of the document: the pods' image is of Debian's packages, and hugepages have 2 MiB. Flyover is
//! installed by whoever asks for this.

mod image;

use nix::sys::signal::Signal;

use super::{Cluster, Daemon, soon};

/// A profile with hugepages, and the switch.
pub const LANE: &str = include_str!("lane.yaml");
/// Those two, ready.
pub const READY: [&str; 3] = ["--for=condition=Ready", "nodeprofile/hugepages", "switch/dpdk"];
/// What kubelet counts of the profile's hugepages.
const HUGEPAGES: &str = "2Gi";
/// A node's own word for where sockets are: the document's pod has the switch's directory, and nothing else of the node.
const NODE: &str =
    "mkdir -p /etc/flyover; echo '{\"socketRoot\": \"/run/openvswitch/pods\"}' >/etc/flyover/cni.json";
const NODE_FORGETS: &str = "rm /etc/flyover/cni.json; rmdir --ignore-fail-on-non-empty /etc/flyover";
/// The network of the document, as it stands there.
const NETWORK: &str = include_str!("../../../../flyover-cni-core/tests/fixtures/nad-ovs-dpdk-br0.json");

/// A pod of the document.
#[derive(Debug)]
pub struct Pod<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl Cluster {
    /// Writes the nodes' own word down.
    pub fn configure_userspace(&self) -> anyhow::Result<()> {
        self.nodes().try_for_each(|node| node.exec(&["sh", "-c", NODE]).map(drop))
    }

    /// Takes that word back.
    pub fn unconfigure_userspace(&self) -> anyhow::Result<()> {
        self.nodes().try_for_each(|node| node.exec(&["sh", "-c", NODE_FORGETS]).map(drop))
    }

    /// Waits until pods can ask for the switch, which is ready: kubelets count hugepages when they start.
    pub fn offer_userspace(&self) -> anyhow::Result<()> {
        self.count_hugepages(HUGEPAGES)?;
        for node in self.nodes() {
            let name = format!("node/{}", node.name());
            soon("the node has a switch to give", || {
                let offered = self.field(&name, r".status.allocatable.flyover\.dev/switch-br0")?;
                Ok(!["", "0"].contains(&&*offered))
            })?;
        }
        Ok(())
    }

    /// Has kubelets count hugepages until they find so many, e.g. `2Gi`.
    pub fn count_hugepages(&self, many: &str) -> anyhow::Result<()> {
        for node in self.nodes() {
            node.restart(Daemon::Kubelet, Signal::SIGTERM)?;
            let name = format!("node/{}", node.name());
            soon("the node has so many hugepages", || {
                Ok(self.field(&name, ".status.capacity.hugepages-2Mi")? == many)
            })?;
        }
        Ok(())
    }

    /// The document's network and a pod of its on each node, ready.
    pub fn userspace_pods(&self) -> anyhow::Result<Vec<Pod<'_>>> {
        let network = serde_json::json!({
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "ovs-dpdk-br0"},
            "spec": {"config": NETWORK},
        });
        self.apply(&network.to_string())?;
        let create = |node: String| -> anyhow::Result<Pod<'_>> {
            let spec = include_str!("pod.yaml").replace("NODE", &node);
            let create = self.ask(&["create", "-f", "-", "--output=jsonpath={.metadata.name}"]);
            Ok(Pod { cluster: self, name: create.stdin(spec).run()? })
        };
        let pods: Vec<_> = self.nodes().map(|node| create(node.name())).collect::<Result<_, _>>()?;
        for pod in &pods {
            self.wait(&["--for=condition=Ready", &format!("pod/{}", pod.name)])?;
        }
        Ok(pods)
    }
}

impl Pod<'_> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has it forward between its two ports until the pod goes, with a burst for a start. A burst is 32 packets from each
    /// port: what is received beyond that was forwarded.
    pub fn forward(&self) -> anyhow::Result<()> {
        self.start("--forward-mode=io --tx-first --stats-period 1")
    }

    /// Starts testpmd in it; what that says is in a file there.
    pub fn start(&self, how: &str) -> anyhow::Result<()> {
        let start = format!(
            "set -- /vhu/pods/????????????????/*-net1 /vhu/pods/????????????????/*-net2; \
            (sleep 100000 | dpdk-testpmd --lcores=0@0,1@1 -m 128 --huge-dir /hugepages --single-file-segments --no-pci \
            --vdev=net_virtio_user0,path=$1,mac=02:00:00:00:0b:01 --vdev=net_virtio_user1,path=$2,mac=02:00:00:00:0b:02 \
            -- --no-mlockall --total-num-mbufs=8192 {how}) >/tmp/testpmd.log 2>&1 </dev/null &"
        );
        self.exec(&start).map(drop)
    }

    /// Packets that its ports have received, by the last that it said.
    pub fn received(&self) -> anyhow::Result<u64> {
        let told =
            self.exec("grep RX-packets: /tmp/testpmd.log | tail -n 2 | awk '{n += $2} END {print n + 0}'")?;
        Ok(told.trim().parse()?)
    }

    fn exec(&self, command: &str) -> anyhow::Result<String> {
        self.cluster.kubectl(&["exec", &self.name, "--", "sh", "-c", command])
    }
}
