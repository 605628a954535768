//! The rights of the operator are those that it uses.

use std::collections::BTreeSet;

use flyover_core::Disturbance;
use kube::api::DeleteParams;

use crate::drain::pod;
use crate::fleet::{Fleet, until};
use crate::rollout::lease;
use crate::server::Server;
use crate::stage::{LIMIT, Operator, Stage, rules};

/// What is asked for only where somebody else wrote meanwhile, where a server is too old to begin a watch with all there is, or where
/// something happens again.
const SELDOM: [&str; 2] = ["get", "list"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_right_is_used_and_nothing_is_asked_for_beyond_them() {
    let stage = Stage::set().await;
    let fleet = Fleet::start(&stage.client, &["n1"]).await;
    fleet.ways.lock().unwrap().needs.insert("\"leaseMs\":777".into(), Disturbance::Reboot);
    pod(&stage, "web-1", "n1").await;
    let _operator = Operator::start("one").await;
    stage.write("FastPath", "all", lease(777)).await;
    stage.until_summary("FastPath", "all", "1/1").await;
    for kind in ["NodeProfile", "Switch"] {
        stage.write(kind, "all", serde_json::json!({})).await;
        stage.until_summary(kind, "all", "1/1").await;
        stage.kind(kind).delete("all", &DeleteParams::default()).await.unwrap();
        until("it is gone", LIMIT, || async { stage.kind(kind).get_opt("all").await.unwrap().is_none() })
            .await;
    }
    let mut rights = BTreeSet::new();
    for rule in ["ClusterRole", "Role"].map(rules).iter().flat_map(|rules| rules.as_array().unwrap()) {
        let words = |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
        for (group, resource) in
            words("apiGroups").iter().flat_map(|g| words("resources").into_iter().map(move |r| (g, r)))
        {
            rights.extend(words("verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
        }
    }
    let asked: BTreeSet<_> = Server::get().asked().into_iter().collect();
    let beyond: Vec<_> = asked.difference(&rights).filter(|(_, resource, _)| !resource.is_empty()).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    let unused: Vec<_> =
        rights.difference(&asked).filter(|(_, _, verb)| !SELDOM.contains(&verb.as_str())).collect();
    let again = ("events.k8s.io".to_owned(), "events".to_owned(), "patch".to_owned());
    let unused: Vec<_> = unused.into_iter().filter(|right| **right != again).collect();
    assert!(unused.is_empty(), "{unused:?}");
}
