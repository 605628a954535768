//! Resources that are deleted: they stay until their nodes are clean, or are not waited for.

use flyover_api::resource::{FastPath, Lane, LanePhase};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::fleet::{Fleet, until};
use crate::rollout::lease;
use crate::stage::{LIMIT, Operator, Stage};

async fn is_clean(stage: &Stage, node: &str) -> bool {
    let state = stage.state(node).await.unwrap();
    let said = state.status.unwrap_or_default().lanes.remove(&Lane::FastPath);
    state.spec.lanes[&Lane::FastPath].wanted.is_none()
        && said.is_some_and(|said| said.phase == LanePhase::Clean)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_stays_until_its_nodes_are_clean_and_a_dead_node_can_be_given_up() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2", "n3"]).await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", lease(1000)).await;
    stage.until_summary("FastPath", "all", "3/3").await;
    fleet.ways.lock().unwrap().dead.insert("n3".into());
    let api: Api<FastPath> = Api::all(stage.client.clone());
    api.delete("all", &DeleteParams::default()).await.unwrap();
    until("two are clean", LIMIT, || async { is_clean(&stage, "n1").await && is_clean(&stage, "n2").await })
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(stage.path("all").await.is_some(), "n3 has not said that it is clean");
    let given_up = json!({"metadata": {"annotations": {"flyover.dev/abandon-nodes": "n3"}}});
    api.patch("all", &PatchParams::default(), &Patch::Merge(&given_up)).await.unwrap();
    until("it is gone", LIMIT, || async { stage.path("all").await.is_none() }).await;
    stage.until_event("FastPath", "all", "Abandoned", "n3").await;
    stage.until_event("FastPath", "all", "Released", "no node").await;
    assert!(stage.state("n1").await.unwrap().spec.lanes.contains_key(&Lane::FastPath), "the receipt stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_whose_manifest_names_our_finalizer_goes_and_another_finalizer_is_left_to_its_owner() {
    let stage = Stage::set().await;
    let _fleet = Fleet::start(&stage.client, &["n1"]).await;
    let _operator = Operator::start("one").await;
    let finalizers = ["flyover.dev/clean-nodes", "example.com/wait"];
    let body = json!({"metadata": {"name": "all", "finalizers": finalizers}, "spec": lease(1000)});
    stage.apply("flyover.dev/v1alpha1", "FastPath", &body).await;
    stage.until_summary("FastPath", "all", "1/1").await;
    let api: Api<FastPath> = Api::all(stage.client.clone());
    api.delete("all", &DeleteParams::default()).await.unwrap();
    until("ours is gone", LIMIT, || async {
        let left = stage.path("all").await.unwrap().metadata.finalizers;
        left == Some(vec!["example.com/wait".to_owned()])
    })
    .await;
    stage.until_event("FastPath", "all", "Released", "no node").await;
    let none = json!({"metadata": {"finalizers": null}});
    api.patch("all", &PatchParams::default(), &Patch::Merge(&none)).await.unwrap();
    until("it is gone", LIMIT, || async { stage.path("all").await.is_none() }).await;
}
