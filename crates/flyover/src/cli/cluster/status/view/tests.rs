//! A cluster with one thing of each kind wrong, as it is told.

use flyover_api::resource::{NodeStateStatus, ResourceStatus};
use serde_json::json;

use super::super::table::table;
use super::*;

fn state(name: &str, lanes: serde_json::Value) -> NodeState {
    let mut state = NodeState::new(name, serde_json::from_value(json!({"lanes": {}})).unwrap());
    let status: NodeStateStatus =
        serde_json::from_value(json!({"version": "0.1.0", "lanes": lanes})).unwrap();
    state.status = Some(status);
    state
}

fn lane(phase: &str, message: &str) -> serde_json::Value {
    json!({"phase": phase, "needs": "none", "reason": "", "message": message})
}

fn resource(lane: Lane, name: &str, status: serde_json::Value) -> Resource {
    let status: ResourceStatus = serde_json::from_value(status).unwrap();
    Resource { lane, name: name.into(), deleting: false, placement: Default::default(), status }
}

fn sick() -> Seen {
    Seen {
        operator: Some(Count::of(2, 2)),
        agents: Some(Count::of(1, 2)),
        resources: vec![
            resource(
                Lane::Switch,
                "br",
                json!({"nodes": {"desired": 2, "ready": 1}, "firstFailing": "n2",
                       "rollout": {"halted": {"hash": "h", "node": "n2", "message": "no memory"}}}),
            ),
            resource(
                Lane::FastPath,
                "all",
                json!({"nodes": {"desired": 2, "ready": 2},
                       "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "t"}]}),
            ),
        ],
        states: vec![
            state("n1", json!({"fastPath": lane("Ready", ""), "switch": lane("Ready", "")})),
            state(
                "n2",
                json!({"fastPath": lane("Ready", ""), "switch": lane("Failed", "no memory on node 0")}),
            ),
        ],
        nodes: Vec::new(),
    }
}

#[test]
fn what_is_wrong_comes_first_and_says_what_to_do() {
    let told = table(&view(&sick()), false);
    let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[..8],
        [
            "operator 2/2, agents 1/2",
            "",
            "wrong:",
            "  agents: NotReady: 1/2 are ready",
            "    next: kubectl get pods -A -l flyover.dev/installed",
            "  Switch/br: Halted: goes to no further node, for it failed on n2: no memory",
            "    next: mend the spec (kubectl edit Switch/br), which begins it anew",
            "  node n2, switch: Failed: no memory on node 0",
        ]
    );
}

#[test]
fn nodes_with_something_wrong_stand_above_the_others() {
    let names: Vec<String> = view(&sick()).nodes.into_iter().map(|node| node.name).collect();
    assert_eq!(names, ["n2", "n1"]);
}

#[test]
fn a_cluster_without_resources_is_told_what_to_do() {
    let seen = Seen { operator: Some(Count::of(2, 2)), agents: Some(Count::of(2, 2)), ..Seen::default() };
    let told = view(&seen);
    assert_eq!(
        (told.healthy, table(&told, false).lines().last().unwrap()),
        (true, "Nothing is asked for yet. Next: apply a FastPath, NodeProfile or Switch.")
    );
}

#[test]
fn a_resource_that_rests_without_its_nodes_is_wrong_and_one_that_is_paused_is_not() {
    let said = |nodes: u32, ready: &str, moves: &str| {
        let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "False", "reason": reason, "message": "m", "lastTransitionTime": "t"});
        let status = json!({"nodes": {"desired": nodes, "ready": 0},
            "conditions": [condition("Ready", ready), condition("Progressing", moves)]});
        of_resource(&resource(Lane::FastPath, "all", status))
            .into_iter()
            .map(|wrong| wrong.reason)
            .collect::<Vec<_>>()
    };
    assert_eq!(said(2, "NotAllReady", "NoRoom"), ["NoRoom"]);
    assert_eq!(said(0, "NoNodes", "Complete"), ["NoNodes"]);
    assert_eq!(said(2, "NotAllReady", "Paused"), Vec::<String>::new());
    assert_eq!(said(0, "Outranked", "Complete"), Vec::<String>::new());
}
