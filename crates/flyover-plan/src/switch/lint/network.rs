//! A configuration of the userspace plugin.
//!
//! Source: the plugin's own types and code, as far as they differ from its documentation: the code.

use flyover_api::Tree;

use super::Finding;

/// Versions of CNI whose results can be given.
const VERSIONS: [&str; 5] = ["0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.3.0"];

/// Fields of a configuration: CNI's own, the plugin's, and those only Flyover has.
const FIELDS: [&str; 20] = [
    "cniVersion",
    "name",
    "type",
    "ipam",
    "dns",
    "args",
    "capabilities",
    "runtimeConfig",
    "prevResult",
    "kubeconfig",
    "sharedDir",
    "logFile",
    "logLevel",
    "host",
    "container",
    "mtu",
    "mac",
    "vlan",
    "trunks",
    "queues",
];

/// What `sun_path` holds beside its end.
const LONGEST_SOCKET: usize = 107;

/// `0123456789ab-` and the shortest name Multus gives, `net1`.
const SOCKET_NAME: usize = 12 + 1 + 4;

/// `/var/lib/vhost_sockets/`, a pod's UID and a slash.
const SHORT_DIRECTORY: usize = 23 + 36 + 1;

/// What is wrong in it.
pub(super) fn check(at: &str, config: &Tree) -> Vec<Finding> {
    let mut look = Look { at, config, findings: Vec::new() };
    look.version();
    look.fields();
    look.node_decides();
    look.engines();
    look.bridge();
    look.modes();
    look.sockets();
    look.findings
}

/// Whether it is of the engine that there is: what is of another cannot be made better, only made anew.
pub(super) fn is_supported(config: &Tree) -> bool {
    let engine = |side: &str| config.text(&[side, "engine"]);
    let iftype = |side: &str| config.text(&[side, "iftype"]).is_none_or(|iftype| iftype == "vhostuser");
    engine("host") == Some("ovs-dpdk")
        && engine("container").is_none_or(|engine| engine == "ovs-dpdk")
        && ["host", "container"].iter().all(|side| iftype(side) && config.get(&[side, "memif"]).is_none())
}

struct Look<'a> {
    at: &'a str,
    config: &'a Tree,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn field(&self, path: &[&str]) -> String {
        format!("{}: {}", self.at, path.join("."))
    }

    fn error(&mut self, path: &[&str], what: impl Into<String>, hint: &str) {
        self.findings.push(Finding::error(self.field(path), what).hint(hint));
    }

    fn warning(&mut self, path: &[&str], what: impl Into<String>, hint: &str) {
        self.findings.push(Finding::warning(self.field(path), what).hint(hint));
    }

    fn note(&mut self, path: &[&str], what: impl Into<String>, hint: &str) {
        self.findings.push(Finding::note(self.field(path), what).hint(hint));
    }

    fn version(&mut self) {
        let hint = "0.3.1 to 1.1.0; from 1.0.0 on results say the MTU, from 1.1.0 on the socket's path";
        match self.config.text(&["cniVersion"]) {
            None => self.error(&["cniVersion"], "it is missing", hint),
            Some(version) if !VERSIONS.contains(&version) => {
                self.error(
                    &["cniVersion"],
                    format!("{version} is no version of CNI that is known here"),
                    hint,
                );
            }
            Some(_) => {}
        }
        if self.config.text(&["name"]).is_none_or(str::is_empty) {
            self.error(&["name"], "it is missing, and CNI requires it", "the attachment's own name");
        }
    }

    fn fields(&mut self) {
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in self.config.parts(&[]) {
            if seen.contains(&key.as_str()) {
                self.error(&[key.as_str()], "it is there twice", "keep one of them");
            }
            seen.push(key);
            if !FIELDS.contains(&key.as_str()) {
                self.note(
                    &[key.as_str()],
                    "no field of the plugin; it does nothing",
                    "take it out, or mend its spelling",
                );
            }
        }
    }

    /// What a user of a namespace must not choose for root.
    fn node_decides(&mut self) {
        if let Some(file) = self.config.text(&["logFile"]) {
            let what = format!("root would write to {file}, which whoever may make an attachment chooses");
            self.warning(&["logFile"], what, "leave it out: the node's configuration says where logs go");
        } else if self.config.get(&["logLevel"]).is_some() {
            self.note(&["logLevel"], "there is no log it is for", "leave it out");
        }
        if let Some(file) = self.config.text(&["kubeconfig"]) {
            let what = format!(
                "root would read {file} and act with its rights, Multus' most likely: all pods of all nodes"
            );
            self.warning(&["kubeconfig"], what, "leave it out: the pod's UID comes with CNI_ARGS");
        }
        if let Some(dir) = self.config.text(&["sharedDir"]) {
            let what = format!(
                "root would make and remove files in {dir}, which whoever may make an attachment chooses"
            );
            self.warning(&["sharedDir"], what, "leave it out: sockets are below the node's own directory");
            let longest = dir.len() + 1 + 12 + 1 + SOCKET_NAME;
            if longest > LONGEST_SOCKET {
                let what =
                    format!("sockets in it have paths of {longest} bytes, and DPDK uses {LONGEST_SOCKET}");
                self.error(&["sharedDir"], what, "a shorter directory, or none");
            }
        }
    }

    fn engines(&mut self) {
        for side in ["host", "container"] {
            let text = |field: &str| self.config.text(&[side, field]).map(str::to_owned);
            let (engine, iftype) = (text("engine"), text("iftype"));
            match engine.as_deref() {
                Some("ovs-dpdk") => {}
                None if side == "container" => {}
                other => {
                    let what = format!("the engine {} is not supported", other.unwrap_or("(none)"));
                    self.error(&[side, "engine"], what, "ovs-dpdk");
                }
            }
            if iftype.as_deref().is_some_and(|iftype| iftype != "vhostuser")
                || self.config.get(&[side, "memif"]).is_some()
            {
                let what = format!("{} is not supported", iftype.as_deref().unwrap_or("memif"));
                self.error(&[side, "iftype"], what, "vhostuser");
            }
        }
        match self.config.text(&["host", "netType"]) {
            None | Some("bridge" | "") => {}
            Some(other) => {
                let what = format!(
                    "{other} is refused by the old plugin after the port was made, so the port leaks"
                );
                self.error(&["host", "netType"], what, "bridge");
            }
        }
    }

    fn bridge(&mut self) {
        let bridge = &["host", "bridge"];
        let number = |field: &str| match self.config.get(&["host", "bridge", field]) {
            Some(Tree::Number(number)) => number.as_u64(),
            _ => None,
        };
        match number("vlanId") {
            None | Some(0) => {}
            Some(vlan) if vlan > 4094 => {
                self.error(&[bridge[0], bridge[1], "vlanId"], format!("{vlan} is no VLAN"), "1 to 4094");
            }
            Some(vlan) => {
                let what = format!("the old plugin ignores it: the port carries all VLANs, not {vlan} alone");
                self.warning(
                    &[bridge[0], bridge[1], "vlanId"],
                    what,
                    "Flyover honours it: the port becomes an access port",
                );
            }
        }
        if self.config.get(&["host", "bridge", "bridgeId"]).is_some() {
            self.note(
                &[bridge[0], bridge[1], "bridgeId"],
                "it is VPP's",
                "name the bridge with `bridgeName`",
            );
        }
        match self.config.text(&["host", "bridge", "bridgeName"]) {
            None | Some("") => {
                self.note(
                    &[bridge[0], bridge[1], "bridgeName"],
                    "it is missing, so the bridge is br0",
                    "name it",
                );
            }
            Some(name) if name.parse::<flyover_core::OvsName>().is_err() => {
                self.error(
                    &[bridge[0], bridge[1], "bridgeName"],
                    format!("{name:?} is no name of a bridge"),
                    "letters and digits",
                );
            }
            Some(_) => {}
        }
    }

    /// Which side makes the socket. What is left out is the other side's opposite.
    fn modes(&mut self) {
        let mode = |side: &str| self.config.text(&[side, "vhost", "mode"]).map(str::to_owned);
        let (host, container) = (mode("host"), mode("container"));
        for (side, mode) in [("host", &host), ("container", &container)] {
            if mode.as_deref().is_some_and(|mode| !matches!(mode, "client" | "server")) {
                self.error(
                    &[side, "vhost", "mode"],
                    "it is neither client nor server",
                    "client in host, server in container",
                );
            }
        }
        if host.is_some() && host == container {
            let what = "both sides are the same: one must make the socket and the other open it";
            self.error(&["container", "vhost", "mode"], what, "client in host, server in container");
        }
        let switch_serves = match (host.as_deref(), container.as_deref()) {
            (Some(mode), _) => mode == "server",
            (None, mode) => mode == Some("client"),
        };
        if switch_serves {
            let what = "the switch makes the socket (dpdkvhostuser, deprecated): after its restart the pod's is dead, and \
                        the old plugin's rename of it fails across file systems without a word";
            self.warning(
                &["host", "vhost", "mode"],
                what,
                "client, and let the application make it: `server=1` in its --vdev",
            );
        } else if self.config.text(&["host", "vhost", "group"]).is_none() {
            let what = "QEMU or the application makes the socket, and the switch may not open it: it has another group";
            self.warning(
                &["host", "vhost", "group"],
                what,
                "the group they share, `hugetlbfs` in most places",
            );
        }
    }

    fn sockets(&mut self) {
        for side in ["host", "container"] {
            let Some(file) = self.config.text(&[side, "vhost", "socketfile"]).map(str::to_owned) else {
                continue;
            };
            let path = [side, "vhost", "socketfile"];
            if file.is_empty() || file.contains('/') || file.contains("..") || file.starts_with('-') {
                let what =
                    format!("{file:?} is no plain file name: root would make and remove files elsewhere");
                self.error(
                    &path,
                    what,
                    "leave it out, and it is named after the container and its interface",
                );
            } else if SHORT_DIRECTORY + file.len() > LONGEST_SOCKET {
                let what = format!(
                    "its path has {} bytes, and DPDK uses {LONGEST_SOCKET}",
                    SHORT_DIRECTORY + file.len()
                );
                self.error(&path, what, "a name of 47 letters at most");
            } else if side == "host" {
                self.note(&path, "two pods of it would have sockets of one name", "leave it out");
            }
        }
    }
}
