//! Nodes that are emptied before a reboot: budgets are heeded, cordons of others are left, and who stays is named.

use std::time::Duration;

use flyover_core::Disturbance;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::fleet::{Fleet, until};
use crate::rollout::lease;
use crate::stage::{LIMIT, Operator, Stage};

/// A pod that runs on a node, and that somebody would start elsewhere.
pub(crate) async fn pod(stage: &Stage, name: &str, node: &str) {
    let sets: Api<ReplicaSet> = Api::namespaced(stage.client.clone(), "default");
    let labels = json!({"app": "web"});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template}});
    let set = sets.patch("web", &PatchParams::apply("test"), &Patch::Apply(&set)).await.unwrap();
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web",
        "uid": set.metadata.uid, "controller": true});
    let pod = json!({
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "i"}]},
    });
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), "default");
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&ready)).await.unwrap();
}

/// A budget that lets no pod go.
async fn budget(stage: &Stage, name: &str) -> Api<PodDisruptionBudget> {
    let api: Api<PodDisruptionBudget> = Api::namespaced(stage.client.clone(), "default");
    let budget = json!({"metadata": {"name": name},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    api.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.unwrap();
    until("the budget is counted", LIMIT, || async {
        let status = api.get(name).await.unwrap().status;
        status.is_some_and(|status| status.expected_pods == 1 && status.disruptions_allowed == 0)
    })
    .await;
    api
}

async fn is_open(stage: &Stage, name: &str) -> bool {
    let node = stage.node(name).await;
    let tag = node.metadata.annotations.unwrap_or_default().contains_key("flyover.dev/cordoned-for");
    !tag && node.spec.and_then(|spec| spec.unschedulable) != Some(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reboot_waits_until_pods_are_gone_and_says_who_does_not_let_them() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2"]).await;
    fleet.ways.lock().unwrap().needs.insert("\"leaseMs\":777".into(), Disturbance::Reboot);
    pod(&stage, "web-1", "n1").await;
    let budgets = budget(&stage, "web").await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", lease(777)).await;
    stage.until_event("FastPath", "all", "DrainBlocked", "default/web-1").await;
    stage.until_event("Node", "n1", "DrainBlocked", "disruption budget web").await;
    let node = stage.node("n1").await;
    assert_eq!(node.spec.unwrap().unschedulable, Some(true));
    assert_eq!(node.metadata.annotations.unwrap()["flyover.dev/cordoned-for"], "FastPath/all");
    assert_eq!(stage.status("FastPath", "all").await["rollout"]["claims"], json!(["n1"]));
    assert!(is_open(&stage, "n2").await, "one at a time");
    tokio::time::sleep(Duration::from_secs(7)).await;
    budgets.delete("web", &DeleteParams::default()).await.unwrap();
    stage.until_summary("FastPath", "all", "2/2").await;
    until("both are given back", LIMIT, || async {
        is_open(&stage, "n1").await && is_open(&stage, "n2").await
    })
    .await;
    let claims = || async { stage.status("FastPath", "all").await["rollout"]["claims"] == json!([]) };
    until("no claim is left", LIMIT, claims).await;
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), "default");
    assert!(pods.get_opt("web-1").await.unwrap().is_none());
    assert!(fleet.ways.lock().unwrap().wrong.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_the_server_cannot_evict_is_named_and_holds_up_no_other_node() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2"]).await;
    fleet.ways.lock().unwrap().needs.insert("\"leaseMs\":777".into(), Disturbance::Reboot);
    pod(&stage, "web-1", "n1").await;
    budget(&stage, "web").await;
    budget(&stage, "web-too").await;
    let _operator = Operator::start("one").await;
    let mut spec = lease(777);
    spec["rollout"] = json!({"maxUnavailable": 2, "canary": 0});
    stage.write("FastPath", "all", spec).await;
    stage.until_event("Node", "n1", "DrainBlocked", "more than one PodDisruptionBudget").await;
    stage.until_summary("FastPath", "all", "1/2").await;
    let n2 = stage.wanted("n2", flyover_api::resource::Lane::FastPath).await;
    assert!(n2.is_some() && fleet.ways.lock().unwrap().ready.iter().all(|(node, _)| node == "n2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cordon_of_an_administrator_stays() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2"]).await;
    fleet.ways.lock().unwrap().needs.insert("\"leaseMs\":777".into(), Disturbance::Workloads);
    let nodes: Api<Node> = Api::all(stage.client.clone());
    let cordon = Patch::Merge(json!({"spec": {"unschedulable": true}}));
    nodes.patch("n2", &PatchParams::default(), &cordon).await.unwrap();
    let _operator = Operator::start("one").await;
    let mut spec = lease(777);
    spec["rollout"] = json!({"maxUnavailable": 2});
    stage.write("FastPath", "all", spec).await;
    stage.until_summary("FastPath", "all", "2/2").await;
    until("n1 is given back", LIMIT, || is_open(&stage, "n1")).await;
    let claims = || async { stage.status("FastPath", "all").await["rollout"]["claims"] == json!([]) };
    until("no claim is left", LIMIT, claims).await;
    let node = stage.node("n2").await;
    assert_eq!(node.spec.unwrap().unschedulable, Some(true));
    assert!(!node.metadata.annotations.unwrap_or_default().contains_key("flyover.dev/cordoned-for"));
}
