//! Taking back what people asked for, and waiting until the nodes have done so.

use std::time::Duration;

use flyover_api::resource::marks::{ABANDON_NODES, CLEAN_NODES};
use flyover_api::resource::{FastPath, GROUP, Lane, LanePhase, NodeProfile, NodeState, Switch};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::super::left;
use super::super::progress::Progress;
use super::super::seen::list;
use super::super::told;
use super::receipts::{self, Receipts};
use crate::cli::fault::{Exit, Fault};

/// Deletes all resources, waits until they are gone, and hands back what the nodes said.
pub(super) async fn take_back(
    client: &Client,
    abandon: &[String],
    limit: Duration,
) -> anyhow::Result<Receipts> {
    let mut receipts = Receipts::default();
    let kinds = kinds(client).await?;
    if kinds.is_empty() {
        return Ok(receipts);
    }
    let states: Vec<NodeState> = list(client, "the nodes' states", &ListParams::default()).await?;
    if remaining(client, &kinds).await?.is_empty() && not_clean(&states, abandon).is_empty() {
        return Ok(receipts);
    }
    require_operator(client, abandon).await?;
    for (kind, object) in remaining(client, &kinds).await? {
        delete(client, &kind, &object, abandon).await?;
    }
    let mut progress = Progress::within(limit);
    loop {
        let states: Vec<NodeState> = list(client, "the nodes' states", &ListParams::default()).await?;
        receipts::add(&mut receipts, &states);
        let remaining = remaining(client, &kinds).await?;
        let waiting = not_clean(&states, abandon);
        // Also where a resource is gone, for somebody took it from its nodes: they are not clean by that.
        if remaining.is_empty() && waiting.is_empty() {
            return Ok(receipts);
        }
        progress.say(&said(&waiting, remaining.len()));
        if progress.is_over() {
            return Err(late(&waiting));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Kinds that people write and that are defined in this cluster.
async fn kinds(client: &Client) -> anyhow::Result<Vec<ApiResource>> {
    let there: Vec<String> = left::objects(client).await?.into_iter().map(|found| found.name).collect();
    let ours = [
        ApiResource::erase::<Switch>(&()),
        ApiResource::erase::<FastPath>(&()),
        ApiResource::erase::<NodeProfile>(&()),
    ];
    Ok(ours.into_iter().filter(|kind| there.contains(&format!("{}.{GROUP}", kind.plural))).collect())
}

async fn remaining(
    client: &Client,
    kinds: &[ApiResource],
) -> anyhow::Result<Vec<(ApiResource, DynamicObject)>> {
    let mut remaining = Vec::new();
    for kind in kinds {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), kind);
        match api.list(&ListParams::default()).await {
            Ok(listed) => remaining.extend(listed.into_iter().map(|object| (kind.clone(), object))),
            Err(error) if told::is_absent(&error) => {}
            Err(error) => return Err(told::error(&format!("failed to list {}", kind.plural), error)),
        }
    }
    Ok(remaining)
}

/// Without an operator nobody would ever let go of the resources.
async fn require_operator(client: &Client, abandon: &[String]) -> anyhow::Result<()> {
    let seen = super::super::seen::look(client).await?;
    let there = seen.operator.is_some_and(|operator| operator.ready > 0);
    if there || gives_up_all(abandon) {
        return Ok(());
    }
    Err(Fault::new(Exit::Failed, "no operator is running, so nobody tells the nodes to put back what was there")
        .hint("`kubectl flyover install` brings it back; `--abandon '*'` removes all and leaves the nodes as they are")
        .into())
}

fn gives_up_all(abandon: &[String]) -> bool {
    abandon.iter().any(|node| node == "*")
}

async fn delete(
    client: &Client,
    kind: &ApiResource,
    object: &DynamicObject,
    abandon: &[String],
) -> anyhow::Result<()> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let name = object.name_any();
    let failed = |error| told::error(&format!("failed to delete {} `{name}`", kind.kind), error);
    if !abandon.is_empty() {
        let change = giving_up(object, abandon);
        api.patch(&name, &PatchParams::default(), &Patch::Merge(&change)).await.map_err(failed)?;
    }
    match api.delete(&name, &DeleteParams::default()).await {
        Err(error) if !told::is_absent(&error) => Err(failed(error)),
        _ => Ok(()),
    }
}

/// What says on a resource which nodes are not waited for.
fn giving_up(object: &DynamicObject, abandon: &[String]) -> Value {
    let mut change = json!({"metadata": {"annotations": {ABANDON_NODES: abandon.join(",")}}});
    if gives_up_all(abandon) {
        // Nobody is waited for, so it need not wait for an operator either. What others wait for is theirs.
        let others: Vec<&String> = object.finalizers().iter().filter(|name| *name != CLEAN_NODES).collect();
        change["metadata"]["finalizers"] = json!(others);
    }
    change
}

/// Lanes of nodes that are not clean and were not given up, each with what it says.
fn not_clean(states: &[NodeState], abandon: &[String]) -> Vec<String> {
    let waited = states.iter().filter(|state| !gives_up_all(abandon) && !abandon.contains(&state.name_any()));
    waited.flat_map(|state| Lane::ALL.into_iter().filter_map(|lane| not_clean_lane(state, lane))).collect()
}

fn not_clean_lane(state: &NodeState, lane: Lane) -> Option<String> {
    // Where no agent ever ran nothing was done, and nobody will say so: the operator knows how long to wait for one.
    let status = state.status.as_ref().filter(|status| !status.version.is_empty())?;
    let said = status.lanes.get(&lane);
    let how = match said {
        Some(said) if said.phase == LanePhase::Clean => return None,
        Some(said) if said.message.is_empty() => format!("{:?}", said.phase),
        Some(said) => format!("{:?}: {}", said.phase, said.message),
        None if state.spec.lanes.contains_key(&lane) => "its agent has said nothing of it".to_owned(),
        None => return None,
    };
    Some(format!("node {}, {lane}: {how}", state.name_any()))
}

fn said(waiting: &[String], resources: usize) -> String {
    match waiting {
        [] => format!("waiting for the operator to let go of {resources} resources"),
        [one] => format!("waiting for {one}"),
        [first, others @ ..] => format!("waiting for {first}; and {} more", others.len()),
    }
}

fn late(waiting: &[String]) -> anyhow::Error {
    let who = if waiting.is_empty() { "the operator".to_owned() } else { waiting.join("; ") };
    Fault::new(Exit::Failed, format!("not all was taken back in time; still to do: {who}"))
        .hint("it goes on; run this again. A node that is dead for good is given up with --abandon NODE")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(status: Value) -> NodeState {
        let state = json!({
            "apiVersion": "flyover.dev/v1alpha1", "kind": "NodeState", "metadata": {"name": "a"},
            "spec": {"lanes": {"fastPath": {"allow": "none"}}}, "status": status,
        });
        serde_json::from_value(state).unwrap()
    }

    #[test]
    fn who_gives_up_all_nodes_takes_away_our_finalizer_and_no_other() {
        let object = json!({"metadata": {"name": "all", "finalizers": ["a/b", CLEAN_NODES]}});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let all = giving_up(&object, &["*".to_owned()]);
        assert_eq!(all["metadata"]["finalizers"], json!(["a/b"]));
        let one = giving_up(&object, &["n1".to_owned(), "n2".to_owned()]);
        assert_eq!(one, json!({"metadata": {"annotations": {ABANDON_NODES: "n1,n2"}}}));
    }

    #[test]
    fn a_lane_is_waited_for_where_an_agent_ran_and_not_where_none_ever_did() {
        let said = |status| not_clean(&[state(status)], &[]);
        assert_eq!(said(json!({})), Vec::<String>::new());
        let heard = json!({"version": "0.1.0"});
        assert_eq!(said(heard), ["node a, fastPath: its agent has said nothing of it"]);
        let lane = |phase| {
            let lane = json!({"phase": phase, "needs": "none", "reason": "", "message": "why"});
            json!({"version": "0.1.0", "lanes": {"fastPath": lane}})
        };
        assert_eq!(said(lane("Clean")), Vec::<String>::new());
        assert_eq!(said(lane("Failed")), ["node a, fastPath: Failed: why"]);
    }
}
