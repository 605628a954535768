//! What an installation could leave in a cluster and on its nodes, asked of the cluster and the nodes themselves.

use flyover_testkit::cluster::Node;

use crate::stage::Stage;

/// Where something of ours could lie on a node, but for what runtimes and kubelet keep there of pods.
const FILES: &str = "find /etc /opt /usr/local /var/lib/flyover /run/flyover /run/openvswitch /sys/fs/bpf /dev/hugepages \
    -not -path '/etc/cni/net.d/*' -printf '%p %y %m %s %l\\n' 2>/dev/null | sort; true";
/// Settings that any lane changes.
const SETTINGS: &str = "sysctl net.netfilter.nf_conntrack_tcp_be_liberal net.ipv4.ip_forward vm.nr_hugepages";
/// Programs of ours at devices, tables, mounts and processes.
const REST: [&str; 5] = [
    "for link in $(ls /sys/class/net); do tc filter show dev $link ingress; tc filter show dev $link egress; done; true",
    "tc qdisc show | grep clsact; true",
    "nft list tables | grep flyover; true",
    // Not by their options: a node's own disk lies wherever this is checked out.
    "awk '($1 FS $2 FS $3) ~ /bpf|huge|flyover|openvswitch/' /proc/mounts; true",
    "ps -eo args | grep -E '[o]vsdb-server|[o]vs-vswitchd|[f]lyover-agent|[f]lyover-cni'; true",
];
/// Kinds of objects, with what matters of each.
const OBJECTS: &str =
    "crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,namespace";
const NODES: &str =
    "{range .items[*]}{.metadata.name} {.metadata.labels} {.spec} {.status.capacity}{'\\n'}{end}";

/// All of it, a line each.
pub(crate) fn traces(stage: &Stage) -> Vec<String> {
    let nodes: Vec<String> = stage.cluster.nodes().flat_map(|node| of(&node)).collect();
    let objects = stage.cluster.kubectl(&["get", OBJECTS, "--output=name"]).unwrap();
    let seen = stage.cluster.kubectl(&["get", "nodes", &format!("--output=jsonpath={NODES}")]).unwrap();
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    // Kubelet writes the name of a resource that is gone again and again, with nothing in it: it is in kubelet's checkpoint.
    let seen = seen.replace(r#""flyover.dev/switch-br0":"0","#, "");
    [nodes, lines(objects), lines(seen)].concat()
}

/// What has come since, and what has gone.
pub(crate) fn differences(before: &[String], after: &[String]) -> Vec<String> {
    let missing = |of: &[String], from: &[String], sign: &str| -> Vec<String> {
        of.iter().filter(|line| !from.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [missing(after, before, "+"), missing(before, after, "-")].concat()
}

fn of(node: &Node<'_>) -> Vec<String> {
    let name = node.name();
    let ask = |question: &&str| node.exec(&["sh", "-c", question]).unwrap();
    let told: Vec<String> = [FILES, SETTINGS].iter().chain(&REST).map(ask).collect();
    told.iter().flat_map(|told| told.lines()).map(|line| format!("{name}: {line}")).collect()
}
