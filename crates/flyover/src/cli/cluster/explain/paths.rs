//! Which way the packets of each interface of a pod go, decided from what is known of the pod and its node.

use flyover_api::resource::{FastPathSpec, Lane, LanePhase, LaneStatus, NodeState};
use flyover_core::CNI_PLUGINS;
use flyover_fastpath::view::PodFlows;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;
use serde_json::Value;

/// What Multus writes.
const STATUS: &str = "k8s.v1.cni.cncf.io/network-status";
/// What carries packets that are bypassed.
pub(super) const FAST_PATH: &str = "fast path";

/// A network beside the first.
pub(super) struct Network {
    /// `namespace/name`.
    pub(super) name: String,
    /// Its plugins; none if there is no such network.
    pub(super) plugins: Option<Vec<Plugin>>,
}

/// A plugin of a network.
pub(super) struct Plugin {
    /// Its type.
    pub(super) kind: String,
    /// The bridge of a switch that it attaches to, if it names one.
    pub(super) bridge: Option<String>,
}

/// The way of an interface's packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Path {
    pub(super) interface: String,
    pub(super) network: String,
    /// `fast path`, `switch`, `kernel`.
    pub(super) carried_by: &'static str,
    pub(super) why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<String>,
    /// The conversations of the moment, where there may be some that are bypassed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flows: Option<PodFlows>,
    /// Why they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flows_unknown: Option<String>,
}

impl Path {
    fn new(interface: &str, network: &str, (carried_by, why, change): Told) -> Self {
        Self {
            interface: interface.into(),
            network: network.into(),
            carried_by,
            why,
            change,
            flows: None,
            flows_unknown: None,
        }
    }
}

/// All interfaces, the primary one first.
pub(super) fn paths(pod: &Pod, state: Option<&NodeState>, networks: &[Network]) -> Vec<Path> {
    let statuses = statuses(pod);
    let mut paths = vec![primary(pod, state)];
    paths.extend(networks.iter().enumerate().map(|(at, network)| {
        // A pod may ask for a network several times, and is told of each in the same order.
        let before = networks[..at].iter().filter(|other| other.name == network.name).count();
        let attached = statuses.iter().filter(|status| status["name"] == network.name.as_str()).nth(before);
        secondary(network, attached, state)
    }));
    paths
}

fn statuses(pod: &Pod) -> Vec<Value> {
    let text =
        pod.metadata.annotations.iter().flatten().find(|(key, _)| *key == STATUS).map(|(_, text)| text);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn primary(pod: &Pod, state: Option<&NodeState>) -> Path {
    Path::new("eth0", "primary", of_primary(pod, state))
}

type Told = (&'static str, String, Option<String>);

fn kernel(why: impl Into<String>, change: impl Into<String>) -> Told {
    ("kernel", why.into(), Some(change.into()))
}

fn of_primary(pod: &Pod, state: Option<&NodeState>) -> Told {
    let spec = pod.spec.clone().unwrap_or_default();
    if spec.host_network == Some(true) {
        return (
            "kernel",
            "the pod has the node's own network, which has no longer way to bypass".into(),
            None,
        );
    }
    if spec.node_name.is_none() {
        return kernel("the pod is on no node yet", "see `kubectl describe pod`");
    }
    let wanted = state.and_then(|state| state.spec.lanes.get(&Lane::FastPath)?.wanted.as_ref());
    let Some(wanted) = wanted else {
        return kernel(
            "no FastPath is for the pod's node",
            "apply a FastPath whose nodeSelector matches the node",
        );
    };
    let from = format!("FastPath/{}", wanted.from);
    if let Some(told) = opted(pod, &wanted.spec, &from) {
        return told;
    }
    match state.and_then(|state| state.status.as_ref()?.lanes.get(&Lane::FastPath)) {
        Some(LaneStatus { phase: LanePhase::Ready | LanePhase::Drifted, message, .. }) => {
            let more = if message.is_empty() { String::new() } else { format!(" The node says: {message}.") };
            let why = format!(
                "{from} is on the node: a flow whose both directions were seen is bypassed until its lease ends.{more}"
            );
            (FAST_PATH, why, None)
        }
        Some(said) => kernel(
            format!(
                "{from} is for the node, and is {:?} there: {} {}",
                said.phase, said.reason, said.message
            ),
            "see `kubectl flyover explain node`",
        ),
        None => kernel(
            format!("{from} is for the node, and its agent has not said anything of it"),
            "see `kubectl flyover status`",
        ),
    }
}

/// Why the pod's labels keep it from the bypass, if they do.
fn opted(pod: &Pod, spec: &serde_json::Map<String, Value>, from: &str) -> Option<Told> {
    let spec: FastPathSpec = serde_json::from_value(Value::Object(spec.clone())).ok()?;
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let has_all = |wanted: &std::collections::BTreeMap<String, String>| {
        wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let written = |wanted: &std::collections::BTreeMap<String, String>| {
        wanted.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    if !has_all(&spec.pods.opt_in) {
        let labels = written(&spec.pods.opt_in);
        return Some(kernel(format!("{from} is for pods with {labels}"), format!("label the pod {labels}")));
    }
    if !spec.pods.opt_out.is_empty() && has_all(&spec.pods.opt_out) {
        let labels = written(&spec.pods.opt_out);
        return Some(kernel(format!("{from} leaves out pods with {labels}"), "take that label off the pod"));
    }
    None
}

fn secondary(network: &Network, attached: Option<&Value>, state: Option<&NodeState>) -> Path {
    let interface = attached.and_then(|status| status["interface"].as_str()).unwrap_or("not attached");
    Path::new(interface, &network.name, of_secondary(network, attached, state))
}

fn of_secondary(network: &Network, attached: Option<&Value>, state: Option<&NodeState>) -> Told {
    let Some(plugins) = &network.plugins else {
        return kernel(
            "there is no such NetworkAttachmentDefinition",
            "make it, or take it out of the pod's annotation",
        );
    };
    let ours = plugins.iter().find(|plugin| CNI_PLUGINS.contains(&plugin.kind.as_str()));
    if attached.is_none() {
        let which = if ours.is_some() {
            "its node's switch may not be up: `kubectl flyover explain node`"
        } else {
            "see the pod's events"
        };
        return kernel(
            "the pod asked for it and does not have it",
            format!("see `kubectl describe pod`; {which}"),
        );
    }
    let Some(ours) = ours else {
        let kinds: Vec<&str> = plugins.iter().map(|plugin| plugin.kind.as_str()).collect();
        return ("kernel", format!("its plugin is {}, which is not Flyover's", kinds.join(", ")), None);
    };
    let bridge = ours.bridge.as_ref().map(|bridge| format!("bridge {bridge} of ")).unwrap_or_default();
    match state.and_then(|state| state.status.as_ref()?.lanes.get(&Lane::Switch)) {
        Some(LaneStatus { phase: LanePhase::Ready, .. }) => {
            let why = format!("{bridge}the switch in user space on its node, which is as it was asked for");
            ("switch", why, None)
        }
        Some(said) => (
            "switch",
            format!("{bridge}the node's switch, which is {:?}: {} {}", said.phase, said.reason, said.message),
            Some("see `kubectl flyover explain node`".into()),
        ),
        None => {
            ("switch", format!("{bridge}a switch on the node that no Switch of this cluster set up"), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(labels: Value) -> Pod {
        let status = r#"[{"name":"cni","interface":"eth0"},{"name":"a/dpdk","interface":"net1"},
            {"name":"a/dpdk","interface":"net2"}]"#;
        serde_json::from_value(json!({"metadata": {"labels": labels, "annotations": {STATUS: status}}, "spec": {"nodeName": "n1", "containers": []}})).unwrap()
    }

    fn state(phase: &str) -> NodeState {
        let wanted = json!({"from": "all", "generation": 1, "hash": "h", "spec": {"pods": {"optIn": {"fast": "yes"}}}});
        let spec = json!({"lanes": {"fastPath": {"allow": "link", "wanted": wanted}}});
        let mut state = NodeState::new("n1", serde_json::from_value(spec).unwrap());
        let lane = json!({"phase": phase, "needs": "none", "reason": "R", "message": "m"});
        state.status =
            Some(serde_json::from_value(json!({"lanes": {"fastPath": lane, "switch": lane}})).unwrap());
        state
    }

    fn carried(pod: &Pod, state: Option<&NodeState>) -> Vec<(String, &'static str)> {
        let dpdk = || {
            let plugin = Plugin { kind: "flyover".into(), bridge: Some("br0".into()) };
            Network { name: "a/dpdk".into(), plugins: Some(vec![plugin]) }
        };
        let networks = [dpdk(), dpdk()];
        paths(pod, state, &networks).into_iter().map(|path| (path.interface, path.carried_by)).collect()
    }

    #[test]
    fn labels_and_the_nodes_state_decide_the_primary_way() {
        let fast = pod(json!({"fast": "yes"}));
        let of =
            |by| vec![("eth0".to_owned(), by), ("net1".to_owned(), "switch"), ("net2".to_owned(), "switch")];
        assert_eq!(carried(&fast, Some(&state("Ready"))), of("fast path"));
        assert_eq!(carried(&fast, Some(&state("Refused"))), of("kernel"));
        assert_eq!(carried(&pod(json!({})), Some(&state("Ready"))), of("kernel"));
        assert_eq!(carried(&fast, None), of("kernel"));
    }

    #[test]
    fn a_pod_that_did_not_opt_in_is_told_which_label_it_takes() {
        let path = paths(&pod(json!({})), Some(&state("Ready")), &[]).remove(0);
        assert_eq!(path.change.as_deref(), Some("label the pod fast=yes"));
    }
}
