//! What a resource's own status says: is it working, on how many nodes, and if not, where to look first.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Condition;

/// What became of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceStatus {
    /// Of which generation of the spec this is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// On how many nodes.
    pub nodes: NodeCounts,
    /// `ready/desired`, for people.
    pub summary: String,
    /// The first node, by name, on which something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failing: Option<String>,
    /// How far a change is.
    pub rollout: RolloutStatus,
    /// `Ready`, `Progressing`, `Degraded`, `Drifted`.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How many nodes are how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCounts {
    /// Selected, and not another resource's.
    pub desired: u32,
    /// They have the newest spec.
    pub updated: u32,
    /// They are as the newest spec says.
    pub ready: u32,
    /// They failed.
    pub failed: u32,
}

/// How far a change is. The operator keeps here what it must still know after its own restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// The spec that is rolled out, by its hash.
    pub hash: String,
    /// Nodes that have the change first. Each is written here before it gets it, so that two operators never choose differently.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<String>,
    /// Nodes that may be down for its sake now. Each is written here before it is cordoned, so that two operators never
    /// take more than `maxUnavailable` between them.
    pub claims: Vec<String>,
    /// Until when each of them is to be empty, in seconds since the epoch. One that is not is given back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub deadlines: BTreeMap<String, i64>,
    /// Nodes that could not be emptied in time, and when each is tried again.
    pub blocked: Vec<Blocked>,
    /// Why the change goes to no further node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halted: Option<Halt>,
}

/// A node that could not be emptied in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The node.
    pub node: String,
    /// Who did not leave, and why.
    pub by: String,
    /// When it is tried again, in seconds since the epoch.
    pub until: i64,
}

/// Why a change goes to no further node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Halt {
    /// The spec that failed, by its hash.
    pub hash: String,
    /// Where.
    pub node: String,
    /// With what.
    pub message: String,
}
