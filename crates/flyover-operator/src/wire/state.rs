//! What a node is to have and what became of it, without what only people read of it, but for the first thing that drifted, which
//! its resource tells too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flyover_api::resource::{Assignment, Lane, LaneStatus, NodeState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::ClusterResourceScope;
use serde::Deserialize;

use super::meta;

/// What is kept of a `NodeState`.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) lanes: BTreeMap<Lane, Assignment>,
    pub(crate) told: BTreeMap<Lane, LaneStatus>,
    /// Its agent has ever said anything.
    pub(crate) spoke: bool,
    /// When it did, by its own clock.
    pub(crate) reported: String,
}

/// A sign of life is no change: thousands of agents give one each few minutes.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        (&self.lanes, &self.told, self.spoke) == (&other.lanes, &other.told, other.spoke)
    }
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
    version: String,
    reported: String,
    lanes: BTreeMap<Lane, LaneStatus>,
}

impl From<StateWire> for State {
    fn from(wire: StateWire) -> Self {
        let Status { version, reported, lanes: mut told } = wire.status;
        for lane in told.values_mut() {
            lane.plan = None;
            lane.journal = Vec::new();
            lane.drift.truncate(1);
        }
        let spoke = !version.is_empty() || !told.is_empty();
        Self { lanes: wire.spec.lanes, told, spoke, reported }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn state(status: &str) -> State {
        let text = format!(r#"{{"metadata":{{"name":"n1"}},"status":{status}}}"#);
        serde_json::from_str::<StateWire>(&text).unwrap().into()
    }

    #[test]
    fn a_sign_of_life_is_no_change_but_the_first_one_is() {
        let first = state(r#"{"version":"1","reported":"t1"}"#);
        assert_eq!(first, state(r#"{"version":"1","reported":"t2","facts":{"cpus":2}}"#));
        assert_eq!(first.reported, "t1");
        assert_ne!(first, state("{}"));
    }

    #[test]
    fn of_what_drifted_the_first_is_kept_to_be_told() {
        let lane =
            r#"{"phase":"Drifted","needs":"none","reason":"R","message":"m","drift":["a is b","c is d"]}"#;
        let told = state(&format!(r#"{{"lanes":{{"profile":{lane}}}}}"#)).told;
        assert_eq!(told[&Lane::Profile].drift, ["a is b"]);
    }
}
