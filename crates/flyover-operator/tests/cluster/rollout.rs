//! How a change comes to nodes: first to one, then to all; and back, if it fails there.

use flyover_api::resource::{Lane, LanePhase};
use serde_json::json;

use crate::fleet::{Fleet, until};
use crate::stage::{LIMIT, Operator, Stage};

/// Everything on the fleet, with one thing in it.
pub(crate) fn lease(milliseconds: u32) -> serde_json::Value {
    json!({"nodeSelector": {"fleet": "yes"}, "leaseMs": milliseconds})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_comes_to_one_node_first_and_then_to_all() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2", "n3"]).await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", lease(1000)).await;
    stage.until_summary("FastPath", "all", "3/3").await;
    let order: Vec<String> = fleet.ways.lock().unwrap().ready.iter().map(|(node, _)| node.clone()).collect();
    assert_eq!((order.len(), order[0].as_str()), (3, "n1"));
    let held = stage.path("all").await.unwrap().metadata.finalizers;
    assert_eq!(held, Some(vec!["flyover.dev/clean-nodes".to_owned()]));
    let owner = stage.state("n2").await.unwrap().metadata.owner_references.unwrap();
    assert_eq!((owner[0].kind.as_str(), owner[0].name.as_str()), ("Node", "n2"));
    stage.until_event("FastPath", "all", "RolloutStarted", "generation 1").await;
    stage.until_event("FastPath", "all", "CanaryReady", "n1").await;
    stage.until_event("FastPath", "all", "NodeReady", "n2, n3 are ready").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_comes_to_a_node_only_once_its_profile_is_ready_there() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2"]).await;
    let _operator = Operator::start("one").await;
    fleet.ways.lock().unwrap().dead.extend(["n1", "n2"].map(str::to_owned));
    let pages = |count: u32| {
        let pages = json!({"pages": [{"size": "2M", "count": count}]});
        json!({"nodeSelector": {"fleet": "yes"}, "hugepages": pages})
    };
    stage.write("NodeProfile", "pages", pages(8)).await;
    stage
        .write("Switch", "dpdk", json!({"nodeSelector": {"fleet": "yes"}, "bridges": [{"name": "br0"}]}))
        .await;
    until("it is said what it waits for", LIMIT, || async {
        stage.status("Switch", "dpdk").await["conditions"]
            .to_string()
            .contains("as soon as NodeProfile/pages is ready")
    })
    .await;
    assert_eq!(stage.wanted("n1", Lane::Switch).await, None);
    fleet.ways.lock().unwrap().dead.clear();
    stage.write("NodeProfile", "pages", pages(9)).await;
    stage.until_summary("Switch", "dpdk", "2/2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_fails_on_the_first_node_is_taken_back_there_and_goes_no_further() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2", "n3"]).await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", lease(1000)).await;
    stage.until_summary("FastPath", "all", "3/3").await;
    let good = stage.wanted("n1", Lane::FastPath).await;
    fleet.ways.lock().unwrap().fails.insert("n1".into(), "\"leaseMs\":666".into());
    stage.write("FastPath", "all", lease(666)).await;
    stage.until_event("FastPath", "all", "Halted", "n1 failed: no such device").await;
    stage.until_event("FastPath", "all", "RolledBack", "n1 goes back").await;
    stage.until_event("Node", "n1", "RolledBack", "FastPath/all").await;
    let back = || async {
        let state = stage.state("n1").await.unwrap();
        let said = state.status.unwrap_or_default().lanes;
        said[&Lane::FastPath].hash == good && said[&Lane::FastPath].phase == LanePhase::Ready
    };
    until("n1 is as it was", LIMIT, back).await;
    for node in ["n1", "n2", "n3"] {
        assert_eq!(stage.wanted(node, Lane::FastPath).await, good, "{node}");
    }
    let status = stage.status("FastPath", "all").await;
    assert_eq!(status["rollout"]["halted"]["node"], json!("n1"));
    stage.write("FastPath", "all", lease(667)).await;
    stage.until_summary("FastPath", "all", "3/3").await;
    let changed = || async { stage.wanted("n3", Lane::FastPath).await != good };
    until("another spec goes on", LIMIT, changed).await;
}
