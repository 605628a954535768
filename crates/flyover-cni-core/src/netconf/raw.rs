//! The fields of a network's configuration, as people write them.
//!
//! Invariant: what the plugin before us took is taken: a field it ignored is ignored.

use serde::Deserialize;

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Raw {
    pub(super) kubeconfig: Option<String>,
    pub(super) shared_dir: Option<String>,
    pub(super) host: Side,
    pub(super) container: Side,
    pub(super) mtu: Option<i64>,
    pub(super) mac: Option<String>,
    pub(super) vlan: Option<i64>,
    pub(super) trunks: Vec<Trunk>,
    pub(super) queues: Option<i64>,
    pub(super) ingress_policing: Option<Policing>,
    pub(super) ovn_port: Option<String>,
    /// Only its kind is looked at: it is for CHECK, and no part of what ADD makes.
    pub(super) deep: Option<bool>,
    pub(super) runtime_config: Runtime,
}

/// The host's or the container's end.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Side {
    pub(super) engine: String,
    pub(super) iftype: String,
    pub(super) net_type: String,
    pub(super) vhost: Vhost,
    pub(super) bridge: Bridge,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vhost {
    pub(super) mode: String,
    pub(super) group: String,
    pub(super) socketfile: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Bridge {
    pub(super) bridge_name: String,
    pub(super) vlan_id: i64,
}

/// VLANs: one by its number, or as ovs-cni writes one or a range.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Trunk {
    Number(i64),
    Range(Range),
}

#[derive(Debug, Deserialize)]
pub(super) struct Range {
    pub(super) id: Option<i64>,
    #[serde(rename = "minID")]
    pub(super) min: Option<i64>,
    #[serde(rename = "maxID")]
    pub(super) max: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Policing {
    pub(super) rate: i64,
    #[serde(default)]
    pub(super) burst: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Runtime {
    pub(super) mac: Option<String>,
}
