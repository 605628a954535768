//! A resource that people write, of whichever kind: all three have the same frame.

use std::borrow::Cow;

use flyover_api::resource::marks::{ABANDON_NODES, CLEAN_NODES};
use flyover_api::resource::{FastPathSpec, GROUP, Lane, Placement, ResourceStatus, VERSION, Wanted};
use flyover_api::{NodeProfileSpec, SwitchSpec};
use flyover_plan::rollout::Abandoned;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube::core::ClusterResourceScope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What is kept of a resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) deleting: bool,
    /// What it waits for before it goes, ours among it.
    pub(crate) finalizers: Vec<String>,
    pub(crate) abandoned: Abandoned,
    /// None where nobody can read it.
    pub(crate) placement: Option<Placement>,
    pub(crate) wanted: Wanted,
    /// Why nobody can make anything of the spec, which the server's own check let through.
    pub(crate) senseless: Option<String>,
    pub(crate) status: ResourceStatus,
}

impl Resource {
    /// Our finalizer is there, whoever put it.
    pub(crate) fn is_held(&self) -> bool {
        self.finalizers.iter().any(|name| name == CLEAN_NODES)
    }
}

/// A resource as it is read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ResourceWire {
    pub(crate) metadata: ObjectMeta,
    #[serde(default)]
    pub(crate) spec: Map<String, Value>,
    #[serde(default)]
    pub(crate) status: Option<ResourceStatus>,
}

impl ResourceWire {
    /// What is kept of it.
    pub(crate) fn kept(self, lane: Lane) -> Resource {
        let meta = self.metadata;
        let annotations = meta.annotations.unwrap_or_default();
        let generation = meta.generation.unwrap_or_default();
        let (placement, spec, senseless) = read(lane, self.spec);
        Resource {
            uid: meta.uid.unwrap_or_default(),
            generation,
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.unwrap_or_default(),
            abandoned: annotations.get(ABANDON_NODES).map_or(Abandoned::Nobody, |said| said.as_str().into()),
            wanted: Wanted { from: meta.name.unwrap_or_default(), generation, hash: hash(&spec), spec },
            placement,
            senseless,
            status: self.status.unwrap_or_default(),
        }
    }
}

/// The placement, if it can be read, what is left of the spec, and why it makes no sense, if so.
fn read(lane: Lane, mut spec: Map<String, Value>) -> (Option<Placement>, Map<String, Value>, Option<String>) {
    let placement = Placement::take(&mut spec);
    let checked = match lane {
        Lane::Profile => check::<NodeProfileSpec>(&spec),
        Lane::FastPath => check::<FastPathSpec>(&spec),
        Lane::Switch => check::<SwitchSpec>(&spec),
    };
    let senseless =
        placement.as_ref().err().map(ToString::to_string).or(checked.err().map(|e| e.to_string()));
    (placement.ok(), spec, senseless)
}

fn check<T: for<'a> Deserialize<'a>>(spec: &Map<String, Value>) -> Result<(), serde_json::Error> {
    T::deserialize(Value::Object(spec.clone())).map(drop)
}

/// SHA-256 over the spec with its keys sorted, so that the order in which somebody wrote it is no change.
fn hash(spec: &Map<String, Value>) -> String {
    let text = sorted(&Value::Object(spec.clone())).to_string();
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            keys.into_iter().map(|key| (key.clone(), sorted(&fields[key]))).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

impl kube::Resource for ResourceWire {
    type DynamicType = Lane;
    type Scope = ClusterResourceScope;

    fn kind(lane: &Lane) -> Cow<'_, str> {
        lane.kind().into()
    }
    fn group(_: &Lane) -> Cow<'_, str> {
        GROUP.into()
    }
    fn version(_: &Lane) -> Cow<'_, str> {
        VERSION.into()
    }
    fn plural(lane: &Lane) -> Cow<'_, str> {
        lane.plural().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Who an event is about.
pub(crate) fn reference(lane: Lane, name: &str, uid: &str) -> k8s_openapi::api::core::v1::ObjectReference {
    k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(ResourceWire::api_version(&lane).into_owned()),
        kind: Some(lane.kind().to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fast_path(spec: &str) -> Resource {
        let text = format!(r#"{{"metadata":{{"name":"all","generation":2}},"spec":{spec}}}"#);
        serde_json::from_str::<ResourceWire>(&text).unwrap().kept(Lane::FastPath)
    }

    #[test]
    fn the_order_in_which_a_spec_was_written_and_where_it_goes_are_no_change_of_it() {
        let one = fast_path(r#"{"leaseMs":20,"pods":{"optIn":{"a":"b"},"optOut":{}},"priority":3}"#);
        let other =
            fast_path(r#"{"nodeSelector":{"x":"y"},"pods":{"optOut":{},"optIn":{"a":"b"}},"leaseMs":20}"#);
        assert_eq!(one.wanted, other.wanted);
        let (placed, chosen) = (one.placement.unwrap(), other.placement.unwrap());
        assert_eq!((placed.priority, chosen.node_selector.len()), (3, 1));
        assert_ne!(one.wanted.hash, fast_path(r#"{"leaseMs":21}"#).wanted.hash);
    }

    #[test]
    fn what_nobody_can_make_sense_of_is_said() {
        let said = fast_path(r#"{"uplinks":["a name that is far too long"]}"#).senseless;
        assert!(said.is_some(), "{said:?}");
        assert_eq!(fast_path(r#"{"uplinks":["eth0"]}"#).senseless, None);
    }

    #[test]
    fn a_placement_that_cannot_be_read_is_none_at_all() {
        let read = fast_path(r#"{"nodeSelector":{"a":"b"},"rollout":{"drain":{"deadlineSeconds":5e9}}}"#);
        assert_eq!((read.placement, read.senseless.is_some()), (None, true));
    }
}
