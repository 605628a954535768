//! The custom resources: what an administrator writes, and what operator and agents tell each other.
//!
//! `NodeProfile`, `FastPath` and `Switch` are written by people and say which nodes they are for. The operator decides which of
//! them each node is to have, and when, and writes that into the `NodeState` of the node; the agent there carries it out and writes
//! back what became of it. So an agent reads one object, and the operator never talks to a node.
//!
//! Invariants: a spec here is the spec of the command line, with the node selection beside it; the schema of a resource is
//! derived from these types, and what CEL can say of them stands there too.

mod condition;
#[cfg(feature = "resources")]
mod crd;
mod fast_path;
mod foresight;
mod lane;
pub mod marks;
mod node_state;
mod placement;
mod status;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NodeProfileSpec, SwitchSpec};

pub use condition::{Condition, ConditionType, Conditions, Truth};
#[cfg(feature = "resources")]
pub use crd::crds;
pub use fast_path::{FastPathBackend, FastPathSpec, PodsSpec};
pub use foresight::Foresight;
pub use lane::Lane;
#[cfg(feature = "resources")]
pub use node_state::NodeState;
pub use node_state::{
    Assignment, LanePhase, LaneStatus, NodeFacts, NodeStateSpec, NodeStateStatus, PlanSummary, Wanted,
};
pub use placement::{Drain, MaxUnavailable, OnFailure, Placement, RolloutSpec};
pub use status::{Blocked, Halt, NodeCounts, ResourceStatus, RolloutStatus};

/// The group of all resources.
pub const GROUP: &str = "flyover.dev";
/// Their version.
pub const VERSION: &str = "v1alpha1";

/// What nodes are to be like before any lane works on them.
#[cfg_attr(
    feature = "resources",
    derive(kube_derive::CustomResource),
    kube(
        group = "flyover.dev",
        version = "v1alpha1",
        kind = "NodeProfile",
        status = "ResourceStatus",
        derive = "PartialEq",
        category = "flyover",
        crates(kube_core = "::kube_core"),
        doc = "What nodes are to be like before any lane works on them."
    )
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeProfileResourceSpec {
    /// Which nodes, and how it comes to them.
    #[serde(flatten)]
    pub placement: Placement,
    /// What `flyover node apply` takes.
    #[serde(flatten)]
    pub profile: NodeProfileSpec,
}

/// An Open vSwitch on DPDK, on each of the nodes.
#[cfg_attr(
    feature = "resources",
    derive(kube_derive::CustomResource),
    kube(
        group = "flyover.dev",
        version = "v1alpha1",
        kind = "Switch",
        plural = "switches",
        status = "ResourceStatus",
        derive = "PartialEq",
        category = "flyover",
        crates(kube_core = "::kube_core"),
        doc = "An Open vSwitch whose datapath is in user space, on DPDK."
    )
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchResourceSpec {
    /// Which nodes, and how it comes to them.
    #[serde(flatten)]
    pub placement: Placement,
    /// What `flyover switch apply` takes.
    #[serde(flatten)]
    pub switch: SwitchSpec,
}

/// The bypass of the pods' primary network, on each of the nodes.
#[cfg_attr(
    feature = "resources",
    derive(kube_derive::CustomResource),
    kube(
        group = "flyover.dev",
        version = "v1alpha1",
        kind = "FastPath",
        status = "ResourceStatus",
        derive = "PartialEq",
        category = "flyover",
        crates(kube_core = "::kube_core"),
        doc = "The short path of pods on the cluster's primary network."
    )
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FastPathResourceSpec {
    /// Which nodes, and how it comes to them.
    #[serde(flatten)]
    pub placement: Placement,
    /// How packets are to travel.
    #[serde(flatten)]
    pub fast_path: FastPathSpec,
}
