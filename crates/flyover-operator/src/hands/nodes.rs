//! Cordons, empties and gives back nodes.

use flyover_api::resource::marks::CORDONED_FOR;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PostParams};
use serde_json::{Value, json};

use super::{Hands, NotDone, patch};
use crate::failure::{is_conflict, is_gone, message};
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

    /// Asks a pod to leave, and no later one of its name. Why it may not is said, and is no error: others may.
    pub(crate) async fn evict(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Option<String>, NotDone> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let body = eviction(namespace, name, uid);
        let how = PostParams::default();
        let evicted = self.ask(|| format!("Pod/{namespace}/{name}"), async {
            let asked = api.create_subresource::<_, Value>("eviction", name, &how, &body).await;
            asked.map_or_else(refusal, |_| Ok(None))
        });
        evicted.await
    }
}

/// What asks one pod to leave. `Api::evict` calls the options by a name that the server does not know, and so passes over.
fn eviction(namespace: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    })
}

/// Why a pod may not leave, if it is there. Whatever the server answers is of this pod: a budget, two of them, a namespace that is
/// going, a webhook. No answer is of them all.
fn refusal(error: kube::Error) -> Result<Option<String>, kube::Error> {
    match error {
        error if is_gone(&error) || is_conflict(&error) => Ok(None),
        kube::Error::Api(_) => Ok(Some(whole(&error))),
        error => Err(error),
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

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn whatever_the_server_says_to_an_eviction_is_of_that_pod_and_ends_no_turn() {
        let two = "This pod has more than one PodDisruptionBudget";
        let cases = [
            (404, "no such pod", None),
            (409, "the UID in the precondition does not match", None),
            (400, "a webhook does not like it", Some("a webhook does not like it")),
            (403, "the namespace is being terminated", Some("the namespace is being terminated")),
            (429, "Cannot evict pod", Some("Cannot evict pod")),
            (500, two, Some(two)),
        ];
        for (code, said, told) in cases {
            let error = kube::Error::Api(Box::new(Status::failure(said, "").with_code(code)));
            assert_eq!(refusal(error).unwrap().as_deref(), told, "{code}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_an_eviction_is_an_error() {
        let cut = kube::Error::Service(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
        assert!(refusal(cut).is_err());
    }

    #[test]
    fn an_eviction_is_of_one_pod_and_of_no_later_one_of_its_name() {
        let body = eviction("ns", "web-0", "u1");
        let asked: k8s_openapi::api::policy::v1::Eviction = serde_json::from_value(body).unwrap();
        let conditions = asked.delete_options.unwrap().preconditions.unwrap();
        assert_eq!(conditions.uid.as_deref(), Some("u1"));
    }
}
