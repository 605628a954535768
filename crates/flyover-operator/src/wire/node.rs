//! A node: what it is labelled with, whether pods may come to it, whether it works, and for whom we cordoned it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flyover_api::resource::marks::CORDONED_FOR;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::ClusterResourceScope;
use serde::Deserialize;

use super::meta;

/// What is kept of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// This node, and no later one of the same name.
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) unschedulable: bool,
    pub(crate) ready: bool,
    /// Whom we cordoned it for, as the annotation says.
    pub(crate) cordoned_for: Option<String>,
}

/// A node as it is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NodeWire {
    #[serde(deserialize_with = "meta::slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl From<NodeWire> for Node {
    fn from(wire: NodeWire) -> Self {
        let mut annotations = wire.metadata.annotations.unwrap_or_default();
        Self {
            uid: wire.metadata.uid.unwrap_or_default(),
            labels: wire.metadata.labels.unwrap_or_default(),
            unschedulable: wire.spec.unschedulable,
            ready: wire.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True"),
            cordoned_for: annotations.remove(CORDONED_FOR),
        }
    }
}

impl Resource for NodeWire {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(&(): &()) -> Cow<'_, str> {
        "Node".into()
    }
    fn group(&(): &()) -> Cow<'_, str> {
        "".into()
    }
    fn version(&(): &()) -> Cow<'_, str> {
        "v1".into()
    }
    fn plural(&(): &()) -> Cow<'_, str> {
        "nodes".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(extra: &str) -> Node {
        let text = format!(
            r#"{{"metadata":{{"name":"n1","uid":"u","resourceVersion":"7","labels":{{"a":"b"}},
               "annotations":{{"flyover.dev/cordoned-for":"Switch/s","other":"x"}},"managedFields":[{{"manager":"kubelet"}}]}},
               "spec":{{"podCIDR":"10.0.0.0/24","unschedulable":true}},
               "status":{{"conditions":[{{"type":"MemoryPressure","status":"False"}},
               {{"type":"Ready","status":"True","lastHeartbeatTime":"{extra}"}}],"images":[]}}}}"#
        );
        serde_json::from_str::<NodeWire>(&text).unwrap().into()
    }

    #[test]
    fn only_what_is_asked_for_is_kept_of_a_node_and_a_heartbeat_is_no_change() {
        let read = Node {
            uid: "u".into(),
            labels: [("a".into(), "b".into())].into(),
            unschedulable: true,
            ready: true,
            cordoned_for: Some("Switch/s".into()),
        };
        assert_eq!((node("2026-01-01T00:00:00Z"), node("2026-01-01T00:05:00Z")), (read.clone(), read));
    }
}
