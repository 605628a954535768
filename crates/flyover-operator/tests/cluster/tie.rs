//! Two resources that want the same nodes.

use flyover_api::resource::Lane;
use serde_json::json;

use crate::fleet::{Fleet, until};
use crate::rollout::lease;
use crate::stage::{LIMIT, Operator, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_the_same_priority_neither_gets_a_node_and_each_is_told_of_the_other() {
    let stage = Stage::set().await;
    let _fleet = Fleet::start(&stage.client, &["n1", "n2"]).await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "first", lease(1000)).await;
    stage.until_summary("FastPath", "first", "2/2").await;
    let had = stage.wanted("n1", Lane::FastPath).await;
    stage.write("FastPath", "second", lease(2000)).await;
    stage.until_event("FastPath", "first", "Conflict", "second").await;
    stage.until_event("FastPath", "second", "Conflict", "first").await;
    assert_eq!(stage.wanted("n1", Lane::FastPath).await, had);
    let mut higher = lease(2000);
    higher["priority"] = json!(1);
    stage.write("FastPath", "second", higher).await;
    stage.until_summary("FastPath", "second", "2/2").await;
    let from = |node: &'static str| {
        let stage = &stage;
        async move { stage.state(node).await.unwrap().spec.lanes[&Lane::FastPath].wanted.clone().unwrap().from }
    };
    assert_eq!((from("n1").await.as_str(), from("n2").await.as_str()), ("second", "second"));
    until("the loser says who won", LIMIT, || async {
        stage.status("FastPath", "first").await["conditions"].to_string().contains("second")
    })
    .await;
}
