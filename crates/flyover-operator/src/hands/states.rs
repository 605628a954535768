//! Writes what a node is to have.

use std::collections::BTreeMap;

use flyover_api::resource::{Assignment, Lane, NodeState};
use kube::api::{Api, Patch, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::{Hands, NotDone, apply};
use crate::store::Held;
use crate::watches::held;
use crate::wire::{Node, State, StateWire};

impl Hands {
    /// An empty state for a node, which goes with the node.
    pub(crate) async fn begin_state(&self, name: &str, node: &Node) -> Result<Held<State>, NotDone> {
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.uid});
        let state: StateWire = self
            .ask(|| format!("NodeState/{name}"), async {
                let body = json!({
                    "apiVersion": NodeState::api_version(&()), "kind": NodeState::kind(&()),
                    "metadata": {"name": name, "ownerReferences": [owner]}, "spec": {"lanes": {}},
                });
                let request = kube::core::Request::new(NodeState::url_path(&(), None));
                let how = PostParams { field_manager: Some(crate::MANAGER.into()), ..PostParams::default() };
                let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
                let request = request.create(&how, body).map_err(kube::Error::BuildRequest)?;
                self.client.request(request).await
            })
            .await?;
        Ok(held(state, State::from).1)
    }

    /// All lanes of a node, of which one was decided anew.
    pub(crate) async fn assign(
        &self,
        name: &str,
        version: &str,
        lanes: &BTreeMap<Lane, Assignment>,
    ) -> Result<Held<State>, NotDone> {
        let body = json!({
            "apiVersion": NodeState::api_version(&()), "kind": NodeState::kind(&()),
            "metadata": {"name": name, "resourceVersion": version}, "spec": {"lanes": lanes},
        });
        let api: Api<StateWire> = Api::all(self.client.clone());
        let patch = Patch::Apply(&body);
        let state = self.ask(|| format!("NodeState/{name}"), api.patch(name, &apply(), &patch)).await?;
        debug_assert_eq!(state.name_any(), name, "the server answers with what was asked for");
        Ok(held(state, State::from).1)
    }

    /// What stands there now.
    pub(crate) async fn read_state(&self, name: &str) -> Result<Option<Held<State>>, NotDone> {
        let api: Api<StateWire> = Api::all(self.client.clone());
        let state = self.ask(|| format!("NodeState/{name}"), api.get_opt(name)).await?;
        Ok(state.map(|state| held(state, State::from).1))
    }
}
