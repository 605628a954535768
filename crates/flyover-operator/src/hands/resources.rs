//! Writes what became of a resource, and holds it until its nodes are clean.

use flyover_api::resource::marks::CLEAN_NODES;
use flyover_api::resource::{ResourceStatus, RolloutStatus};
use kube::Resource as _;
use kube::api::{Api, Patch};
use serde_json::{Value, json};

use super::{Hands, NotDone, apply, patch};
use crate::store::{Held, Key};
use crate::watches::held;
use crate::wire::{Resource, ResourceWire};

impl Hands {
    /// Notes how far a roll-out is, on the version that this was decided on.
    pub(crate) async fn note(
        &self,
        key: &Key,
        on: &Held<Resource>,
        rollout: &RolloutStatus,
    ) -> Result<Held<Resource>, NotDone> {
        let rollout = change(&json!(on.value.status.rollout), &json!(rollout));
        let body = json!({"metadata": {"resourceVersion": on.version}, "status": {"rollout": rollout}});
        let api = self.resources(key);
        let how = patch();
        let body = Patch::Merge(&body);
        let written = self.ask(|| key.to_string(), api.patch_status(&key.name, &how, &body)).await?;
        Ok(kept(key, written))
    }

    /// Says what became of it. The roll-out's notes are left alone.
    pub(crate) async fn say(
        &self,
        key: &Key,
        uid: &str,
        status: &ResourceStatus,
    ) -> Result<Held<Resource>, NotDone> {
        let mut said = json!(status);
        if let Some(said) = said.as_object_mut() {
            said.remove("rollout");
        }
        let body = framed(key, uid, ("status", said));
        let api = self.resources(key);
        let body = Patch::Apply(&body);
        let written = self.ask(|| key.to_string(), api.patch_status(&key.name, &apply(), &body)).await?;
        Ok(kept(key, written))
    }

    /// Holds it, so that it cannot go before its nodes are clean. Only our own is set: applied lists of finalizers are sets.
    pub(crate) async fn hold(&self, key: &Key, uid: &str) -> Result<Held<Resource>, NotDone> {
        let body = framed(key, uid, ("metadata", json!({"finalizers": [CLEAN_NODES]})));
        let api = self.resources(key);
        let body = Patch::Apply(&body);
        let written = self.ask(|| key.to_string(), api.patch(&key.name, &apply(), &body)).await?;
        Ok(kept(key, written))
    }

    /// Lets it go, and leaves what others hold it by. Not applied: whoever wrote our finalizer into a manifest owns it too, and
    /// what one of two owners applies no more stays.
    pub(crate) async fn release(&self, key: &Key, on: &Held<Resource>) -> Result<Held<Resource>, NotDone> {
        let others: Vec<&String> = on.value.finalizers.iter().filter(|name| *name != CLEAN_NODES).collect();
        let body = json!({"metadata": {"resourceVersion": on.version, "finalizers": others}});
        let api = self.resources(key);
        let how = patch();
        let body = Patch::Merge(&body);
        let written = self.ask(|| key.to_string(), api.patch(&key.name, &how, &body)).await?;
        let after = kept(key, written);
        if after.value.is_held() { Err(NotDone::Changed(key.to_string())) } else { Ok(after) }
    }

    /// What stands there now.
    pub(crate) async fn read_resource(&self, key: &Key) -> Result<Option<Held<Resource>>, NotDone> {
        let api = self.resources(key);
        let read = self.ask(|| key.to_string(), api.get_opt(&key.name)).await?;
        Ok(read.map(|wire| kept(key, wire)))
    }

    fn resources(&self, key: &Key) -> Api<ResourceWire> {
        Api::all_with(self.client.clone(), &key.lane)
    }
}

/// What is applied. With its id, so that one that is gone is not made anew.
fn framed(key: &Key, uid: &str, (field, value): (&str, Value)) -> Value {
    let mut body = json!({
        "apiVersion": ResourceWire::api_version(&key.lane),
        "kind": key.lane.kind(),
        field: value,
    });
    body["metadata"]["name"] = key.name.as_str().into();
    body["metadata"]["uid"] = uid.into();
    body
}

fn kept(key: &Key, wire: ResourceWire) -> Held<Resource> {
    held(wire, |wire| wire.kept(key.lane)).1
}

/// What a merge makes `after` of `before` by: what is no more is null, since a merge keeps what it does not name.
fn change(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return after.clone() };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let there =
        new.iter().map(|(key, value)| (key.clone(), change(old.get(key).unwrap_or(&Value::Null), value)));
    gone.chain(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_more_is_taken_away_by_a_merge() {
        let before = json!({"halted": {"node": "a"}, "deadlines": {"a": 1, "b": 2}, "claims": ["a"]});
        let after = json!({"deadlines": {"b": 3}, "claims": []});
        let merge = json!({"halted": null, "deadlines": {"a": null, "b": 3}, "claims": []});
        assert_eq!(change(&before, &after), merge);
    }
}
