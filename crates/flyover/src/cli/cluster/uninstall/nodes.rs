//! Takes our marks off the nodes, and gives back those that are cordoned for us.

use flyover_api::resource::marks::CORDONED_FOR;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Map, Value, json};

use super::super::left::is_ours;
use super::super::seen::list;
use super::super::told;

/// Removes labels, annotations and resources that are ours. A node that was cordoned for us is given back.
pub(super) async fn unmark(client: &Client) -> anyhow::Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    for node in list::<Node>(client, "the nodes", &ListParams::default()).await? {
        let name = node.name_any();
        let failed = |error| told::error(&format!("failed to take our marks off node `{name}`"), error);
        if let Some(change) = of_metadata(&node) {
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&change)).await.map_err(failed)?;
        }
        if let Some(change) = of_status(&node) {
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&change)).await.map_err(failed)?;
        }
    }
    Ok(())
}

fn of_metadata(node: &Node) -> Option<Value> {
    let mut metadata = Map::new();
    for (field, keys) in [("labels", node.labels()), ("annotations", node.annotations())] {
        let ours: Map<String, Value> =
            keys.keys().filter(|key| is_ours(key)).map(|key| (key.clone(), Value::Null)).collect();
        if !ours.is_empty() {
            metadata.insert(field.into(), ours.into());
        }
    }
    let mut change = (!metadata.is_empty()).then(|| json!({"metadata": metadata}))?;
    if node.annotations().contains_key(CORDONED_FOR) {
        change["spec"] = json!({"unschedulable": null});
    }
    Some(change)
}

/// Kubelet keeps resources of a plugin that is gone until it is started anew.
fn of_status(node: &Node) -> Option<Value> {
    let status = node.status.as_ref()?;
    let mut change = Map::new();
    for (field, resources) in [("capacity", &status.capacity), ("allocatable", &status.allocatable)] {
        let keys = resources.iter().flatten().map(|(key, _)| key).filter(|key| is_ours(key));
        let ours: Map<String, Value> = keys.map(|key| (key.clone(), Value::Null)).collect();
        if !ours.is_empty() {
            change.insert(field.into(), ours.into());
        }
    }
    (!change.is_empty()).then(|| json!({"status": change}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_cordoned_for_us_is_given_back_and_an_administrators_cordon_stays() {
        let node = |annotations: Value| -> Node {
            serde_json::from_value(
                json!({"metadata": {"annotations": annotations}, "spec": {"unschedulable": true}}),
            )
            .unwrap()
        };
        assert_eq!(
            of_metadata(&node(json!({CORDONED_FOR: "Switch/a", "x": "y"}))),
            Some(json!({"metadata": {"annotations": {CORDONED_FOR: null}}, "spec": {"unschedulable": null}}))
        );
        assert_eq!(of_metadata(&node(json!({"x": "y"}))), None);
    }
}
