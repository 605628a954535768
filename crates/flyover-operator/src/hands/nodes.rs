//! Cordons, empties and gives back nodes.

use flyover_api::resource::marks::CORDONED_FOR;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, EvictParams, ListParams, Patch};
use serde_json::{Value, json};

use super::{Hands, NotDone, patch};
use crate::failure::{is_gone, is_refused_for_now, message};
use crate::store::Held;
use crate::watches::held;
use crate::wire::{Node, NodeWire};

impl Hands {
    /// No pod is to come there, and the annotation says for whom.
    pub(crate) async fn cordon(&self, node: &str, version: &str, tag: &str) -> Result<Held<Node>, NotDone> {
        self.patch_node(node, version, &Value::Bool(true), &tag.into()).await
    }

    /// Pods may come again.
    pub(crate) async fn uncordon(&self, node: &str, version: &str) -> Result<Held<Node>, NotDone> {
        self.patch_node(node, version, &Value::Null, &Value::Null).await
    }

    async fn patch_node(
        &self,
        name: &str,
        version: &str,
        unschedulable: &Value,
        tag: &Value,
    ) -> Result<Held<Node>, NotDone> {
        let body = json!({
            "metadata": {"resourceVersion": version, "annotations": {CORDONED_FOR: tag}},
            "spec": {"unschedulable": unschedulable},
        });
        let api: Api<NodeWire> = Api::all(self.client.clone());
        let how = patch();
        let body = Patch::Merge(&body);
        let node = self.ask(|| format!("Node/{name}"), api.patch(name, &how, &body)).await?;
        Ok(held(node, Node::from).1)
    }

    /// What stands there now.
    pub(crate) async fn read_node(&self, name: &str) -> Result<Option<Held<Node>>, NotDone> {
        let api: Api<NodeWire> = Api::all(self.client.clone());
        let node = self.ask(|| format!("Node/{name}"), api.get_opt(name)).await?;
        Ok(node.map(|node| held(node, Node::from).1))
    }

    /// All pods of a node.
    pub(crate) async fn pods(&self, node: &str) -> Result<Vec<Pod>, NotDone> {
        let api: Api<Pod> = Api::all(self.client.clone());
        let of_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
        Ok(self.ask(|| format!("pods of {node}"), api.list(&of_node)).await?.items)
    }

    /// Asks a pod to leave. Who forbids it is said, and is no error.
    pub(crate) async fn evict(&self, namespace: &str, name: &str) -> Result<Option<String>, NotDone> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let how = EvictParams::default();
        let evicted = self.ask(|| format!("Pod/{namespace}/{name}"), async {
            match api.evict(name, &how).await {
                Ok(_) => Ok(None),
                Err(error) if is_gone(&error) => Ok(None),
                Err(error) if is_refused_for_now(&error) => Ok(Some(whole(&error))),
                Err(error) => Err(error),
            }
        });
        evicted.await
    }
}

/// What the server said, with the causes it names: the budget's name stands only there.
fn whole(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return message(error) };
    let causes =
        status.details.iter().flat_map(|details| &details.causes).map(|cause| cause.message.as_str());
    let causes: Vec<&str> = causes.filter(|cause| !cause.is_empty()).collect();
    if causes.is_empty() { message(error) } else { causes.join("; ") }
}
