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
    let generation = status.observed_generation.unwrap_or_default();
    Resource { lane, name: name.into(), deleting: false, generation, placement: Default::default(), status }
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
        kept: vec!["pod flyover-agent-x on n2: ImagePullBackOff".into(), "pod flyover-operator-y: p".into()],
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
            "  agents: NotReady: 1/2 are ready; pod flyover-agent-x on n2: ImagePullBackOff",
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

fn calm() -> Seen {
    let mut seen = sick();
    seen.agents = Some(Count::of(2, 2));
    seen.resources.remove(0);
    let ready = |name| state(name, json!({"fastPath": lane("Ready", "")}));
    seen.states = vec![ready("n1"), ready("n2")];
    let node = |name| serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    seen.nodes = vec![node("n1"), node("n2")];
    for state in &mut seen.states {
        let wanted =
            json!({"allow": "none", "wanted": {"from": "all", "generation": 1, "hash": "old", "spec": {}}});
        state.spec.lanes.insert(Lane::FastPath, serde_json::from_value(wanted).unwrap());
    }
    seen
}

#[test]
fn where_nobody_carries_out_what_is_asked_for_something_is_wrong() {
    assert!(view(&calm()).healthy);
    let of_wrong = |seen: &Seen| {
        let wrong = view(seen).wrong.into_iter();
        wrong.map(|wrong| format!("{}: {}", wrong.of, wrong.reason)).collect::<Vec<_>>()
    };
    let stopped = Seen { operator: Some(Count::of(0, 0)), ..calm() };
    assert_eq!(of_wrong(&stopped), ["operator: Stopped"]);
    let kept_away = Seen { agents: Some(Count::of(1, 1)), ..calm() };
    assert_eq!(of_wrong(&kept_away), ["agents: NoAgent"]);
    let gone = Seen { nodes: calm().nodes[..1].to_vec(), ..kept_away };
    assert_eq!(of_wrong(&gone), Vec::<String>::new());
}

#[test]
fn a_node_that_is_cordoned_says_so() {
    let mut seen = calm();
    seen.nodes[1].spec = Some(serde_json::from_value(json!({"unschedulable": true})).unwrap());
    let text = table(&view(&seen), false);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("Ready")).collect();
    assert!(rows.iter().any(|row| row.trim_start().starts_with("n2 (cordoned) ")), "{text}");
    assert_eq!(text.matches("cordoned").count(), 1, "{text}");
}

#[test]
fn what_the_operator_has_not_looked_at_is_not_said_to_be_done() {
    let mut seen = calm();
    seen.resources[0].generation += 1;
    let told = view(&seen);
    assert_eq!((told.resources[0].ready, told.resources[0].reason.as_str()), (Truth::Unknown, "NotSeenYet"));
    assert!(table(&told, false).trim_end().ends_with("Nothing is wrong, and not all is done yet."));
}

#[test]
fn a_node_that_is_ready_with_an_older_spec_says_so() {
    let mut seen = calm();
    seen.resources[0].status.rollout.hash = "new".into();
    seen.states[1].spec.lanes.get_mut(&Lane::FastPath).unwrap().wanted.as_mut().unwrap().hash = "new".into();
    let lanes: Vec<_> = view(&seen).nodes.into_iter().map(|node| node.lanes[1].clone()).collect();
    assert_eq!(lanes, ["Ready (older spec)", "Ready"]);
}
