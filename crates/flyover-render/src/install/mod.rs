//! What is installed in a cluster, as Kubernetes objects.
//!
//! `kubectl flyover install`, the Helm chart and the kustomize base are all made from [`objects`], so that they cannot differ.
//!
//! Invariants: the objects are typed, so none is malformed; they stand in the order in which they must be applied; each
//! bears [`INSTALLED`], by which an uninstall, which has an order of its own, finds what a former version installed.

mod agent;
pub mod chart;
mod crds;
pub mod kustomize;
mod meta;
mod object;
mod operator;
mod pod;
mod policy;
pub mod privilege;
pub mod reference;
mod rights;

use std::collections::BTreeMap;

use flyover_api::resource::marks::NAMESPACE;
use k8s_openapi::api::core::v1::Toleration;

pub use meta::{INSTALLED, NAME};
pub use object::{Object, stream};

/// The name of the operator's objects, and of its image.
pub const OPERATOR: &str = "flyover-operator";
/// The name of the agents' objects, and of their image.
pub const AGENT: &str = "flyover-agent";

/// What is to be installed, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    /// The namespace of operator and agents.
    pub namespace: String,
    /// Who keeps the objects, for their `app.kubernetes.io/managed-by`.
    pub managed_by: String,
    /// The agents' image.
    pub image_agent: String,
    /// The operator's image.
    pub image_operator: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// A filter of what is logged: `info`, `debug`.
    pub log: String,
    /// How many operators there are; one works, the others wait.
    pub replicas: i32,
    /// How many agents may be absent during an upgrade: a number, or a share of all.
    pub max_unavailable: String,
    /// Labels of the nodes that have an agent.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that keep no agent away.
    pub tolerations: Vec<Toleration>,
    /// Where the container runtime looks for CNI plugins.
    pub cni_bin_dir: String,
    /// Kubelet's directory.
    pub kubelet_dir: String,
}

impl Default for Installation {
    fn default() -> Self {
        let image = |name: &str| format!("flyover.dev/{name}:{}", env!("CARGO_PKG_VERSION"));
        let all = Toleration { operator: Some("Exists".into()), ..Toleration::default() };
        Self {
            namespace: NAMESPACE.into(),
            managed_by: "flyover".into(),
            image_agent: image(AGENT),
            image_operator: image(OPERATOR),
            pull_policy: "IfNotPresent".into(),
            log: "info".into(),
            replicas: 2,
            max_unavailable: "10%".into(),
            node_selector: BTreeMap::from([("kubernetes.io/os".into(), "linux".into())]),
            tolerations: vec![all],
            cni_bin_dir: "/opt/cni/bin".into(),
            kubelet_dir: "/var/lib/kubelet".into(),
        }
    }
}

/// The selector of all that is installed.
#[must_use]
pub fn selector() -> String {
    format!("{}={}", INSTALLED.0, INSTALLED.1)
}

/// All that is installed, in the order in which it is applied.
#[must_use]
pub fn objects(wanted: &Installation) -> Vec<Object> {
    let mut objects = vec![meta::namespace(wanted)];
    objects.extend(crds::objects(wanted));
    objects.extend(rights::objects(wanted));
    // Before the agents, so that none of them ever runs without it.
    objects.extend(policy::objects(wanted));
    objects.extend(operator::objects(wanted));
    objects.push(agent::daemon_set(wanted));
    objects
}

#[cfg(test)]
mod tests;
