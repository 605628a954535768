//! `NodeState`: what one node is to have, and what became of it. The operator writes its spec, the node's agent its status.

use std::collections::BTreeMap;

use flyover_core::Disturbance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Lane};

/// What a node is to have.
#[cfg_attr(
    feature = "resources",
    derive(kube_derive::CustomResource),
    kube(
        group = "flyover.dev",
        version = "v1alpha1",
        kind = "NodeState",
        status = "NodeStateStatus",
        derive = "PartialEq",
        derive = "Default",
        category = "flyover",
        crates(kube_core = "::kube_core"),
        doc = "What one node is to have, and what became of it. Written by Flyover itself."
    )
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStateSpec {
    /// By lane. One that is not here was never asked for.
    #[schemars(schema_with = "by_lane::<Assignment>")]
    pub lanes: BTreeMap<Lane, Assignment>,
}

/// The lanes there are, each with its name: what somebody writes under another one is dropped, so that whoever reads all
/// of it need not fear a word that he does not know.
fn by_lane<T: JsonSchema>(schemas: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let of_lane = |lane: &Lane| (lane.key().to_owned(), schemas.subschema_for::<T>().into());
    let properties: serde_json::Map<_, _> = Lane::ALL.iter().map(of_lane).collect();
    schemars::json_schema!({"type": "object", "properties": properties})
}

/// What a lane of a node is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// What. Without it, all is to be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// What the node was last ready with, to go back to. Once that is `wanted` itself, it has the same hash and no spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Wanted>,
    /// The most that carrying it out may disturb. The agent waits where more is needed, and says so.
    #[schemars(with = "String", extend("enum" = ["none", "service", "link", "workloads", "reboot"]))]
    pub allow: Disturbance,
}

/// A spec of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// The resource's name.
    pub from: String,
    /// Its generation.
    pub generation: i64,
    /// SHA-256 over the spec, in hexadecimal.
    pub hash: String,
    /// The spec, without the placement; empty where only its name is kept.
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>", extend("x-kubernetes-preserve-unknown-fields" = true, "x-kubernetes-map-type" = "atomic"))]
    pub spec: serde_json::Map<String, serde_json::Value>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStateStatus {
    /// The agent's version.
    pub version: String,
    /// When it said this.
    #[schemars(extend("format" = "date-time"))]
    pub reported: String,
    /// What the node is.
    pub facts: NodeFacts,
    /// By lane; one that was taken back stays, `Clean`, with its receipt.
    #[schemars(schema_with = "by_lane::<LaneStatus>")]
    pub lanes: BTreeMap<Lane, LaneStatus>,
    /// `Ready`, `Progressing`, `Degraded`, `Drifted` of all lanes together.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What a node is, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeFacts {
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture.
    pub architecture: String,
    /// This boot.
    pub boot_id: String,
    /// Processors.
    pub cpus: u32,
    /// NUMA nodes.
    pub numa_nodes: u32,
    /// Hugepages by size: how many there are.
    pub hugepages: BTreeMap<String, u64>,
    /// Bridges of the switch in user space.
    pub bridges: Vec<String>,
}

/// What became of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// Of which spec this is said, by its hash; none of taking all back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// How far it is.
    pub phase: LanePhase,
    /// The most that what is left to do would disturb.
    #[schemars(with = "String", extend("enum" = ["none", "service", "link", "workloads", "reboot"]))]
    pub needs: Disturbance,
    /// One word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// What is, or was last, to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanSummary>,
    /// The last lines of the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<String>,
    /// What is other than it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// What was put back, and what could not be, once all was taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipt: Vec<String>,
}

/// How far a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LanePhase {
    /// It is known what would be done; it disturbs more than is allowed.
    Waiting,
    /// It is being done.
    Applying,
    /// All is as it was asked for.
    Ready,
    /// It was as asked for, and somebody else changed it.
    Drifted,
    /// It could not be done; what was begun was taken back.
    Failed,
    /// It cannot be done on this node. Nothing was touched.
    Refused,
    /// It is being taken back.
    Removing,
    /// All was taken back.
    Clean,
}

impl LanePhase {
    /// Nothing more happens by itself, and it is not as it was asked for.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Refused)
    }
}

/// What is to be done, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary {
    /// The plan's hash.
    pub hash: String,
    /// Its steps as a sentence each, at most 20.
    pub steps: Vec<String>,
    /// How many there are.
    pub count: u32,
    /// Why it reboots, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<String>,
}
