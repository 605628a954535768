//! How a change comes to nodes: first to one, then to all; and back, if it fails there.

use serde_json::json;

use crate::fleet::{Fleet, until};
use crate::stage::{LIMIT, Operator, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_comes_to_one_node_first_and_then_to_all() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1", "n2", "n3"]).await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", json!({"nodeSelector": {"fleet": "yes"}})).await;
    until("all are ready", LIMIT, || async { stage.summary("FastPath", "all").await == "3/3" }).await;
    let order: Vec<String> = fleet.ways.lock().unwrap().ready.iter().map(|(node, _)| node.clone()).collect();
    assert_eq!((order.len(), order[0].as_str()), (3, "n1"));
}
