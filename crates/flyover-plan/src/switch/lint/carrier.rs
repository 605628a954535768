//! Pods and VMs that use attachments: what they mount, and what they read.

use flyover_api::Tree;

use super::Finding;

/// The volume through which a pod gets its sockets.
const SHARED: &str = "shared-dir";

/// Directories that hold more than one pod's sockets, and what else is in them.
const WIDE: [(&str, &str); 8] = [
    ("/var/run/openvswitch", "all pods' sockets and the switch's database"),
    ("/run/openvswitch", "all pods' sockets and the switch's database"),
    ("/usr/local/var/run/openvswitch", "all pods' sockets and the switch's database"),
    ("/var/lib/vhost_sockets", "all pods' sockets"),
    ("/var/lib/kubelet", "all pods' volumes and secrets"),
    ("/var/run", "all that runs on the host"),
    ("/run", "all that runs on the host"),
    ("/", "the whole host"),
];

/// Keys of annotations as the plugin's examples have them, and as its code has them.
const KEYS: [(&str, &str); 3] = [
    ("userspace/mappedDir", "userspace/mapped-dir"),
    ("userspace/mapped_dir", "userspace/mapped-dir"),
    ("userspace/configurationData", "userspace/configuration-data"),
];

/// What `sun_path` holds beside its end.
const LONGEST_SOCKET: usize = 107;

/// `/0123456789ab-net1`.
const SOCKET_NAME: usize = 18;

/// What is wrong in a pod, a VM or what makes them.
pub(super) fn check(document: &Tree, kind: &str) -> Vec<Finding> {
    let name = document.text(&["metadata", "name"]).or(document.text(&["metadata", "generateName"]));
    let at = format!("{} {}", kind.to_lowercase(), name.unwrap_or("without a name"));
    let pod: &[&str] = match kind {
        "Pod" => &["spec"],
        "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" | "Job" => &["spec", "template", "spec"],
        "VirtualMachineInstance" => return machine(document, &at, &["spec"]),
        "VirtualMachine" => return machine(document, &at, &["spec", "template", "spec"]),
        _ => return vec![Finding::note(at, "it is no attachment and no pod, and is not looked at")],
    };
    let mut findings = annotations(document, &at);
    for volume in document.items(&[pod, &["volumes"]].concat()) {
        findings.extend(of_volume(volume, &at));
    }
    for container in document.items(&[pod, &["containers"]].concat()) {
        if container.get(&["securityContext", "privileged"]) == Some(&Tree::Flag(true)) {
            let what = "it is privileged, which no socket and no hugepage needs";
            let hint = "hugepages of an emptyDir, `fsGroup` for the socket, at most the capability IPC_LOCK";
            findings.push(Finding::warning(&at, what).hint(hint));
        }
    }
    findings
}

/// Names of annotations that nobody writes, wherever they are read.
pub(super) fn annotations(document: &Tree, at: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (path, text) in document.texts() {
        for (wrong, right) in KEYS.iter().filter(|(wrong, _)| text.contains(wrong)) {
            let what = format!("`{wrong}` is in the plugin's examples only: it writes `{right}`");
            let path = path.replace(wrong, right);
            let finding = Finding::error(format!("{at}: {path}"), what).hint(format!("say `{right}`"));
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

fn of_volume(volume: &Tree, at: &str) -> Vec<Finding> {
    let name = volume.text(&["name"]).unwrap_or("without a name");
    let at = format!("{at}: volume {name}");
    let Some(path) = volume.text(&["hostPath", "path"]) else { return Vec::new() };
    let plain = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let mut findings = Vec::new();
    if let Some((_, holds)) = WIDE.iter().find(|(wide, _)| *wide == plain) {
        let what = format!("{path} of the host has {holds}");
        let hint = format!("an emptyDir called `{SHARED}`, into which only this pod's sockets come");
        findings.push(Finding::error(&at, what).hint(hint));
    } else if name == SHARED {
        let what = format!("{path} of the host is the same for every pod made from this");
        findings.push(Finding::warning(&at, what).hint("an emptyDir: it is the pod's own and goes with it"));
    } else if plain.starts_with("/dev/hugepages") || plain.starts_with("/mnt/huge") {
        let what = format!("{path} of the host has the pages of the switch and of all pods");
        findings.push(Finding::warning(&at, what).hint("an emptyDir with `medium: HugePages`"));
    }
    if name == SHARED && plain.len() + SOCKET_NAME > LONGEST_SOCKET {
        let longest = plain.len() + SOCKET_NAME;
        let what = format!("sockets in it have paths of {longest} bytes, and DPDK uses {LONGEST_SOCKET}");
        findings.push(Finding::error(&at, what).hint("an emptyDir: its path is made short"));
    }
    findings
}

/// KubeVirt never took the interface that the documents use.
fn machine(document: &Tree, at: &str, spec: &[&str]) -> Vec<Finding> {
    let interfaces = document.items(&[spec, &["domain", "devices", "interfaces"]].concat());
    let vhost = interfaces.iter().filter(|interface| interface.get(&["vhostuser"]).is_some());
    let finding = |interface: &Tree| {
        let name = interface.text(&["name"]).unwrap_or("without a name");
        let what = "`vhostuser: {}` is of a change to KubeVirt that was never merged";
        Finding::error(format!("{at}: interface {name}"), what)
            .hint("a network binding plugin for vhost-user, `binding: {name: vhostuser}`")
    };
    annotations(document, at).into_iter().chain(vhost.map(finding)).collect()
}
