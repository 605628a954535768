//! A configuration of the userspace plugin.
//!
//! Source: the plugin's own types and code, as far as they differ from its documentation: the code.

mod paths;
mod sides;

use flyover_api::Tree;

use super::Finding;

/// Versions of CNI whose results can be given.
const VERSIONS: [&str; 5] = ["0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.3.0"];

/// Fields of a configuration: CNI's own, the plugin's, and those only Flyover has.
const FIELDS: [&str; 23] = [
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
    "ingressPolicing",
    "ovnPort",
    "deep",
];

/// Fields of what stands at an end, each with its place.
const OF_ENDS: [(&[&str], &[&str]); 4] = [
    (&[], &["engine", "iftype", "netType", "vhost", "bridge", "memif"]),
    (&["vhost"], &["mode", "group", "socketfile"]),
    (&["bridge"], &["bridgeName", "bridgeId", "vlanId"]),
    (&["memif"], &["role", "mode", "socketfile"]),
];

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

    fn note(&mut self, path: &[&str], what: impl Into<String>, hint: impl Into<String>) {
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
        self.fields_at(&[], &FIELDS);
        for side in ["host", "container"] {
            for (below, known) in OF_ENDS {
                self.fields_at(&[&[side], below].concat(), known);
            }
        }
    }

    fn fields_at(&mut self, place: &[&str], known: &[&str]) {
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in self.config.parts(place) {
            let path = [place, &[key.as_str()]].concat();
            if seen.contains(&key.as_str()) {
                self.error(&path, "it is there twice", "keep one of them");
            }
            seen.push(key);
            if !known.contains(&key.as_str()) {
                let hint = "take it out, or mend its spelling";
                self.note(&path, "no field of the plugin; it does nothing", hint);
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
}
