//! What a node is to have and what became of it, without what only people read of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flyover_api::resource::{Assignment, Lane, LaneStatus, NodeState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::ClusterResourceScope;
use serde::Deserialize;

use super::meta;

/// What is kept of a `NodeState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) lanes: BTreeMap<Lane, Assignment>,
    pub(crate) told: BTreeMap<Lane, LaneStatus>,
}

/// A `NodeState` as it is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StateWire {
    #[serde(deserialize_with = "meta::slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    lanes: BTreeMap<Lane, Assignment>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    lanes: BTreeMap<Lane, LaneStatus>,
}

impl From<StateWire> for State {
    fn from(wire: StateWire) -> Self {
        let mut told = wire.status.lanes;
        for lane in told.values_mut() {
            lane.plan = None;
            lane.journal = Vec::new();
            lane.drift = Vec::new();
        }
        Self { lanes: wire.spec.lanes, told }
    }
}

impl Resource for StateWire {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(&(): &()) -> Cow<'_, str> {
        NodeState::kind(&())
    }
    fn group(&(): &()) -> Cow<'_, str> {
        NodeState::group(&())
    }
    fn version(&(): &()) -> Cow<'_, str> {
        NodeState::version(&())
    }
    fn plural(&(): &()) -> Cow<'_, str> {
        NodeState::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
