//! Operators that die, and operators that follow each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flyover_core::Disturbance;
use flyover_operator::LEASE;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, ResourceExt};
use rand::RngExt;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::drain::pod;
use crate::fleet::{Fleet, until};
use crate::rollout::lease;
use crate::stage::{LIMIT, Operator, Stage};

/// How often the operator is killed.
const KILLS: u32 = 50;

/// The most nodes that were cordoned at the same time.
fn most_down(client: Client) -> (Arc<AtomicUsize>, JoinHandle<()>) {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let task = tokio::spawn(async move {
        let mut down = std::collections::BTreeSet::new();
        let mut nodes =
            std::pin::pin!(watcher(Api::<Node>::all(client), Config::default()).applied_objects());
        while let Some(Ok(node)) = nodes.next().await {
            let closed = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
            if closed {
                down.insert(node.name_any())
            } else {
                down.remove(&node.name_any())
            };
            seen.fetch_max(down.len(), Ordering::Relaxed);
        }
    });
    (most, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_dies_anywhere_is_continued_by_the_next_one() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2", "n3", "n4"]).await;
    fleet.ways.lock().unwrap().needs.insert("\"leaseMs\":3".into(), Disturbance::Reboot);
    let (most, task) = most_down(stage.client.clone());
    for kill in 0..KILLS {
        if kill % 5 == 0 {
            stage.write("FastPath", "all", lease(3000 + kill)).await;
            pod(&stage, &format!("web-{kill}"), &format!("n{}", 1 + kill / 5 % 4)).await;
        }
        let operator = Operator::start("one").await;
        let lives = rand::rng().random_range(100..1500);
        tokio::time::sleep(Duration::from_millis(lives)).await;
        operator.task.abort();
        drop(operator);
    }
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", lease(3999)).await;
    let done = || async {
        let status = stage.status("FastPath", "all").await;
        status["summary"] == json!("4/4")
            && status["observedGeneration"] == json!(11)
            && status["rollout"]["claims"] == json!([])
    };
    until("all are ready with the last spec", LIMIT * 2, done).await;
    for node in ["n1", "n2", "n3", "n4"] {
        let node = stage.node(node).await;
        let tag = node.metadata.annotations.unwrap_or_default().contains_key("flyover.dev/cordoned-for");
        assert_eq!((tag, node.spec.and_then(|spec| spec.unschedulable)), (false, None));
    }
    assert_eq!(most.load(Ordering::Relaxed), 1, "one at a time, whoever died");
    assert!(fleet.ways.lock().unwrap().wrong.is_empty());
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_operators_leads_and_hands_over_within_three_seconds() {
    let stage = Stage::set().await;
    let _fleet = Fleet::start(&stage.client, &["n1"]).await;
    let holder = || async {
        let lease = stage.leases().get_opt(LEASE).await.unwrap();
        lease.and_then(|lease| lease.spec).and_then(|spec| spec.holder_identity).unwrap_or_default()
    };
    let one = Operator::start("one").await;
    until("one leads", LIMIT, || async { holder().await == "one" }).await;
    let _two = Operator::start("two").await;
    stage.write("FastPath", "all", lease(1000)).await;
    stage.until_summary("FastPath", "all", "1/1").await;
    assert_eq!(holder().await, "one");
    let asked = Instant::now();
    one.stop.send_replace(true);
    until("two leads", LIMIT, || async { holder().await == "two" }).await;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    stage.write("FastPath", "all", lease(1001)).await;
    let done = || async {
        let status = stage.status("FastPath", "all").await;
        status["observedGeneration"] == json!(2) && status["summary"] == json!("1/1")
    };
    until("the new leader works", LIMIT, done).await;
}
