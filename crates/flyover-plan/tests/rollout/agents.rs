//! Nodes whose agents are not heard: they hold nobody up, and are told.

use flyover_api::resource::{Assignment, LanePhase, ResourceStatus, RolloutStatus};
use flyover_core::Disturbance;
use flyover_plan::placement::Share;
use flyover_plan::rollout::{Act, Agent, NodeView, Occasion, Place, View, step, summary, wake};

use crate::table::{NOW, changed, name_of, node, spec, view};

/// A node that nobody has told anything, and on which nobody said anything for so many seconds.
fn unheard(name: &str, silent: u64) -> NodeView {
    let agent = Agent { spoke: false, silent };
    NodeView { agent, assignment: None, status: None, ..node(name) }
}

fn silent(node: NodeView, silent: u64) -> NodeView {
    NodeView { agent: Agent { spoke: true, silent }, ..node }
}

/// With one canary, which was chosen already, if it is named.
fn with_canary(nodes: Vec<NodeView>, canary: Option<&str>) -> View {
    let mut view = view(nodes);
    view.resource.rollout.canary = 1;
    view.resource.status.canaries = canary.into_iter().map(str::to_owned).collect();
    view
}

fn chosen(view: &View) -> Option<Vec<String>> {
    step(view)
        .into_iter()
        .find_map(|act| if let Act::Note(status) = act { Some(status.canaries) } else { None })
}

fn told(acts: &[Act]) -> Vec<String> {
    let node = |act: &Act| if let Act::Assign { node, .. } = act { Some(node.clone()) } else { None };
    acts.iter().filter_map(node).collect()
}

fn said(view: &View) -> ResourceStatus {
    let before = ResourceStatus::default();
    summary(view, &Share::default(), &Occasion { before: &before, now: "t", generation: None })
}

fn degraded(status: &ResourceStatus) -> String {
    let condition = &status.conditions[2];
    format!("{} {}: {}", condition.reason, status.first_failing.as_deref().unwrap_or("-"), condition.message)
}

#[test]
fn a_node_whose_agent_was_heard_is_canary_before_one_whose_was_not() {
    let nodes = |seconds| vec![unheard("n1", seconds), node("n2")];
    assert_eq!(chosen(&with_canary(nodes(0), None)), Some(vec!["n2".to_owned()]));
    let only = |seconds| chosen(&with_canary(vec![unheard("n1", seconds)], None));
    assert_eq!((only(119), only(120)), (Some(vec!["n1".to_owned()]), None));
}

#[test]
fn a_canary_without_an_agent_gives_back_what_nobody_heard_and_another_one_is_chosen() {
    let assignment = Assignment { wanted: Some(spec("new", "r")), previous: None, allow: Disturbance::Link };
    let first = NodeView { assignment: Some(assignment), ..unheard("n1", 120) };
    let early = NodeView { agent: Agent { spoke: false, silent: 119 }, ..first.clone() };
    assert_eq!(step(&with_canary(vec![early, node("n2")], Some("n1"))), []);
    let nothing = Assignment { wanted: None, previous: Some(name_of("new", "r")), allow: Disturbance::Link };
    let back = Act::Assign { node: "n1".into(), assignment: nothing.clone() };
    assert_eq!(step(&with_canary(vec![first.clone(), node("n2")], Some("n1"))), [back]);
    let back = NodeView { assignment: Some(nothing), ..first };
    let next = with_canary(vec![back, node("n2")], Some("n1"));
    assert_eq!(chosen(&next), Some(vec!["n2".to_owned()]));
    assert_eq!(told(&step(&next)), ["n2"]);
}

#[test]
fn the_others_go_on_while_a_node_has_no_agent_and_it_gets_the_change_when_it_has_one() {
    let ready = || changed("n2", LanePhase::Ready, Disturbance::None);
    let view = |first: NodeView| with_canary(vec![first, ready(), node("n3")], Some("n2"));
    assert_eq!(told(&step(&view(unheard("n1", 120)))), ["n3"]);
    assert_eq!(told(&step(&view(silent(unheard("n1", 0), 0)))), ["n1"], "one at a time");
}

#[test]
fn a_deletion_does_not_wait_for_a_node_that_never_had_an_agent() {
    let assignment = Assignment { wanted: Some(spec("new", "r")), previous: None, allow: Disturbance::Link };
    let left = NodeView { place: Place::Free, assignment: Some(assignment), ..unheard("n1", 120) };
    let mut view = view(vec![left.clone()]);
    view.resource.deleting = true;
    let nothing = Assignment { wanted: None, previous: Some(name_of("new", "r")), allow: Disturbance::Link };
    assert_eq!(step(&view), [Act::Assign { node: "n1".into(), assignment: nothing.clone() }]);
    view.nodes = vec![NodeView { assignment: Some(nothing), ..left }];
    assert_eq!(step(&view), [Act::Release]);
}

#[test]
fn a_node_without_an_agent_is_told_with_what_to_do() {
    let nodes = |seconds| vec![unheard("n1", seconds), changed("n2", LanePhase::Ready, Disturbance::None)];
    assert!(degraded(&said(&view(nodes(119)))).starts_with("AsExpected -"));
    assert_eq!(
        degraded(&said(&view(nodes(120)))),
        "NoAgent n1: no agent was ever heard on n1, and the change does not wait for it: see why no pod of flyover-agent runs \
         there, or leave it out by spec.nodeSelector"
    );
}

#[test]
fn what_an_agent_said_that_is_heard_no_more_is_not_known_to_be_so() {
    let ready = |name: &str| changed(name, LanePhase::Ready, Disturbance::None);
    let status = |seconds| said(&view(vec![silent(ready("n1"), seconds), ready("n2"), ready("n3")]));
    assert_eq!((status(899).summary.as_str(), status(900).summary.as_str()), ("3/3", "2/3"));
    assert_eq!(
        degraded(&status(960)),
        "AgentSilent n1: nothing was heard of the agent on n1 for more than 15 minutes, so nobody knows what is so there: look \
         after the pod of flyover-agent, and after the node"
    );
}

#[test]
fn it_is_looked_at_again_when_the_next_agent_would_be_missed() {
    let mut all = view(vec![silent(node("n1"), 100), unheard("n2", 40)]);
    all.resource.status = RolloutStatus::default();
    assert_eq!(wake(&all), Some(NOW + 80));
    all.nodes[1] = unheard("n2", 500);
    assert_eq!(wake(&all), Some(NOW + 800));
}
