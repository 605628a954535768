//! What the administrator of the node decides, and no network's configuration can.
//!
//! Invariants: a network may narrow what stands here, never widen it; an unknown field is refused, since a prohibition with
//! a slip of the pen would allow; defaults lie below the root that `FLYOVER_ROOT` names, what is written is taken as it is.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use flyover_core::HostPath;
use serde::{Deserialize, Serialize};

use crate::error::{CniError, Code};

/// Where it stands on the host.
pub const CONFIGURATION: &str = "/etc/flyover/cni.json";

/// What an agent writes there of its node, where nobody else has written anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The socket of the switch's database.
    pub database: HostPath,
    /// The run directory of the switch.
    pub rundir: HostPath,
    /// The kubelet's directory.
    pub kubelet_root: PathBuf,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// What changed.
    #[default]
    Info,
    /// Every verb.
    Debug,
}

/// The node's configuration, `/etc/flyover/cni.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Node {
    /// What the paths of the host lie below; `/` but in tests.
    #[serde(skip)]
    pub root: PathBuf,
    /// The socket of the switch's database.
    pub database: PathBuf,
    /// The run directory of the switch.
    pub rundir: PathBuf,
    /// Below it each attachment has its directory.
    pub socket_root: PathBuf,
    /// The files that say what is attached, as long as the machine runs.
    pub state_dir: PathBuf,
    /// Those of attachments that leave something on a disk: addresses, directories in a `sharedDir`.
    pub lasting_dir: PathBuf,
    /// The group of the attachments' directories; none is root's.
    pub group: Option<String>,
    /// Where to log; none is nowhere.
    pub log_file: Option<PathBuf>,
    /// How much.
    pub log_level: LogLevel,
    /// The kubelet's directory.
    pub kubelet_root: PathBuf,
    /// The emptyDir volume in which a pod wants its sockets.
    pub pod_volume: String,
    /// Where a network's `sharedDir` may lie.
    pub shared_dirs: Vec<PathBuf>,
    /// The groups a network may ask for.
    pub groups: Vec<String>,
    /// The bridges a network may ask for; empty is any that exists.
    pub bridges: Vec<String>,
    /// Whether a bridge that is not there is made.
    pub create_bridges: bool,
    /// Whether a network may bind a logical port of OVN: any, another pod's too.
    pub ovn_ports: bool,
    /// The largest MTU a network may ask for: a larger one takes memory from every port of the node.
    pub max_mtu: u16,
    /// Whether each CHECK sends frames through the bridge, also where the network does not ask for it.
    pub check_deep: bool,
    /// The kubeconfigs a network may name.
    pub kubeconfigs: Vec<PathBuf>,
    /// How long the switch may take to carry out a change.
    pub apply_timeout_ms: u64,
    /// Where plugins for addresses are; empty is what the runtime says.
    pub ipam_path: Vec<PathBuf>,
    /// Where device-info files may be written.
    pub device_info_dir: PathBuf,
    /// What the runtime remembers of its attachments.
    pub runtime_cache: PathBuf,
}

impl Default for Node {
    fn default() -> Self {
        Self::below(Path::new("/"))
    }
}

impl Node {
    /// A node on which nothing is written down.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            database: root.join("run/openvswitch/db.sock"),
            rundir: root.join("run/openvswitch"),
            socket_root: root.join("run/flyover/vhost"),
            state_dir: root.join("run/flyover/cni"),
            lasting_dir: root.join("var/lib/flyover/cni"),
            group: None,
            log_file: None,
            log_level: LogLevel::default(),
            kubelet_root: root.join("var/lib/kubelet"),
            pod_volume: "shared-dir".to_owned(),
            shared_dirs: Vec::new(),
            groups: Vec::new(),
            bridges: Vec::new(),
            create_bridges: false,
            ovn_ports: false,
            max_mtu: 9702,
            check_deep: false,
            kubeconfigs: Vec::new(),
            apply_timeout_ms: 5000,
            ipam_path: Vec::new(),
            device_info_dir: root.join("var/run/k8s.cni.cncf.io/devinfo"),
            runtime_cache: root.join("var/lib/cni/results"),
        }
    }

    /// Reads the configuration of the node below a root; one that is not there says nothing.
    pub fn load(root: &Path) -> Result<Self, CniError> {
        let path = root.join(CONFIGURATION.trim_start_matches('/'));
        let wrong = |what: &str| CniError::new(Code::Config, format!("{what} `{}`", path.display()));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::below(root)),
            Err(e) => return Err(wrong("failed to read the node's configuration").because(&e)),
        };
        let node = Self::parse(root, &text);
        node.map_err(|error| wrong("malformed is the node's configuration").details(error))
    }

    fn parse(root: &Path, text: &[u8]) -> Result<Self, String> {
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        // What is not written is the default below this root, which serde cannot know.
        let mut node: Self =
            serde_json::from_value(fields.clone().into()).map_err(|error| error.to_string())?;
        let usual = Self::below(root);
        node.root = usual.root;
        let paths: [(&str, &mut PathBuf, PathBuf); 8] = [
            ("database", &mut node.database, usual.database),
            ("rundir", &mut node.rundir, usual.rundir),
            ("socketRoot", &mut node.socket_root, usual.socket_root),
            ("stateDir", &mut node.state_dir, usual.state_dir),
            ("lastingDir", &mut node.lasting_dir, usual.lasting_dir),
            ("kubeletRoot", &mut node.kubelet_root, usual.kubelet_root),
            ("deviceInfoDir", &mut node.device_info_dir, usual.device_info_dir),
            ("runtimeCache", &mut node.runtime_cache, usual.runtime_cache),
        ];
        for (name, place, path) in paths {
            if !fields.contains_key(name) {
                *place = path;
            }
            if !is_straight(place) {
                return Err(format!("{name} is no absolute path without `..`"));
            }
        }
        Ok(node)
    }

    /// How long the switch may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        Duration::from_millis(self.apply_timeout_ms)
    }
}

/// Whether a path is absolute and leads straight down.
#[must_use]
pub fn is_straight(path: &Path) -> bool {
    let mut components = path.components();
    components.next() == Some(Component::RootDir)
        && components.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_is_the_default_below_the_root() {
        let node =
            Node::parse(Path::new("/r"), br#"{"socketRoot": "/s", "group": "g", "applyTimeoutMs": 7}"#)
                .unwrap();
        let expected = Node {
            socket_root: "/s".into(),
            group: Some("g".into()),
            apply_timeout_ms: 7,
            ..Node::below(Path::new("/r"))
        };
        assert_eq!(node, expected);
        assert_eq!(node.database, Path::new("/r/run/openvswitch/db.sock"));
    }

    #[test]
    fn a_slip_of_the_pen_and_a_crooked_path_are_refused() {
        for bad in [r#"{"bridge": ["br0"]}"#, r#"{"socketRoot": "run"}"#, r#"{"stateDir": "/a/../b"}"#, "[]"]
        {
            assert!(Node::parse(Path::new("/"), bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_agent_writes_is_read_as_it_was_meant() {
        let written = Written {
            database: HostPath::fixed("/run/sw/database"),
            rundir: HostPath::fixed("/run/sw"),
            kubelet_root: "/data/kubelet".into(),
        };
        let read = Node::parse(Path::new("/"), &serde_json::to_vec(&written).unwrap()).unwrap();
        let expected = Node {
            database: "/run/sw/database".into(),
            rundir: "/run/sw".into(),
            kubelet_root: "/data/kubelet".into(),
            ..Node::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_node_without_a_configuration_has_the_defaults() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Node::load(root.path()).unwrap(), Node::below(root.path()));
    }
}
