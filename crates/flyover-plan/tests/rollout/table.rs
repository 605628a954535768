//! What the model is too small or too coarse for, case by case.

use std::collections::BTreeMap;

use flyover_api::resource::{
    Assignment, Blocked, Halt, Lane, LanePhase, LaneStatus, MaxUnavailable, RolloutSpec, RolloutStatus,
    Wanted,
};
use flyover_core::Disturbance;
use flyover_plan::rollout::{
    Abandoned, Act, Agent, NodeView, Place, PodView, ResourceView, View, step, wake,
};

/// The time of every view here.
pub(crate) const NOW: i64 = 1000;

/// An agent that has just said something.
const HEARD: Agent = Agent { spoke: true, silent: 0 };

pub(crate) fn spec(hash: &str, from: &str) -> Wanted {
    let text = serde_json::Map::from_iter([("is".to_owned(), hash.into())]);
    Wanted { from: from.into(), generation: 1, hash: hash.into(), spec: text }
}

pub(crate) fn name_of(hash: &str, from: &str) -> Wanted {
    Wanted { spec: serde_json::Map::new(), ..spec(hash, from) }
}

pub(crate) fn said(hash: Option<&str>, phase: LanePhase, needs: Disturbance) -> LaneStatus {
    LaneStatus {
        hash: hash.map(str::to_owned),
        phase,
        needs,
        reason: "NoIommu".into(),
        message: "the firmware has it off".into(),
        plan: None,
        journal: vec![],
        drift: vec![],
        receipt: vec![],
    }
}

/// A node that is ready with `old`.
pub(crate) fn node(name: &str) -> NodeView {
    let assignment = Assignment {
        wanted: Some(spec("old", "r")),
        previous: Some(name_of("old", "r")),
        allow: Disturbance::Link,
    };
    NodeView {
        name: name.into(),
        place: Place::Own,
        exists: true,
        ready: true,
        unschedulable: false,
        cordoned_for: None,
        assignment: Some(assignment),
        status: Some(said(Some("old"), LanePhase::Ready, Disturbance::None)),
        agent: HEARD,
        assignment_orphaned: false,
        cordon_orphaned: false,
        claimed_elsewhere: false,
        waits_for: None,
        pods: None,
    }
}

/// A node that has `new`, and of which its agent says this.
pub(crate) fn changed(name: &str, phase: LanePhase, needs: Disturbance) -> NodeView {
    let assignment = Assignment {
        wanted: Some(spec("new", "r")),
        previous: Some(if phase == LanePhase::Ready { name_of("new", "r") } else { spec("old", "r") }),
        allow: Disturbance::Link,
    };
    NodeView { assignment: Some(assignment), status: Some(said(Some("new"), phase, needs)), ..node(name) }
}

/// A node that is claimed, cordoned and held, with these pods.
fn emptied(name: &str, pods: Option<Vec<PodView>>) -> NodeView {
    let mut node = changed(name, LanePhase::Waiting, Disturbance::Reboot);
    node.assignment.iter_mut().for_each(|assignment| assignment.allow = Disturbance::None);
    NodeView { unschedulable: true, cordoned_for: Some("Switch/r".into()), pods, ..node }
}

pub(crate) fn view(nodes: Vec<NodeView>) -> View {
    let resource = ResourceView {
        name: "r".into(),
        lane: Lane::Switch,
        rollout: RolloutSpec { canary: 0, ..RolloutSpec::default() },
        wanted: spec("new", "r"),
        senseless: false,
        deleting: false,
        abandoned: Abandoned::Nobody,
        status: RolloutStatus { hash: "new".into(), ..RolloutStatus::default() },
    };
    View { now: NOW, resource, nodes }
}

fn claimed(mut view: View, names: &[&str], until: i64) -> View {
    view.resource.status.claims = names.iter().map(|name| (*name).to_owned()).collect();
    view.resource.status.deadlines = names.iter().map(|name| ((*name).to_owned(), until)).collect();
    view
}

fn pod(name: &str) -> PodView {
    PodView {
        namespace: "d".into(),
        name: name.into(),
        controlled: true,
        empty_dir: false,
        leaving: false,
        refused: None,
    }
}

fn assigned(acts: &[Act]) -> Vec<(&str, Option<&str>, Disturbance)> {
    let mut assigned = Vec::new();
    for act in acts {
        if let Act::Assign { node, assignment } = act {
            let hash = assignment.wanted.as_ref().map(|wanted| wanted.hash.as_str());
            assigned.push((node.as_str(), hash, assignment.allow));
        }
    }
    assigned
}

#[test]
fn a_tenth_of_the_nodes_gets_a_change_at_the_same_time() {
    let mut nodes: Vec<_> = (10..45).map(|at| node(&format!("n{at}"))).collect();
    nodes[0].ready = false;
    nodes[2] = changed("n12", LanePhase::Applying, Disturbance::Link);
    let acts = step(&view(nodes));
    let link = Disturbance::Link;
    assert_eq!(assigned(&acts), [("n11", Some("new"), link), ("n13", Some("new"), link)]);
}

#[test]
fn a_change_names_what_the_node_was_last_ready_with_and_not_what_failed_there() {
    let mut failed = changed("n1", LanePhase::Waiting, Disturbance::Workloads);
    failed.assignment.as_mut().unwrap().wanted = Some(spec("bad", "r"));
    let acts = step(&view(vec![failed]));
    let assignment = Assignment {
        wanted: Some(spec("new", "r")),
        previous: Some(spec("old", "r")),
        allow: Disturbance::Link,
    };
    assert_eq!(acts, [Act::Assign { node: "n1".into(), assignment }]);
}

#[test]
fn a_node_that_refuses_halts_the_change_and_goes_back() {
    let acts = step(&view(vec![changed("n1", LanePhase::Refused, Disturbance::None), node("n2")]));
    let message = "refused: the firmware has it off".to_owned();
    let halted = Some(Halt { hash: "new".into(), node: "n1".into(), message });
    let note = RolloutStatus { hash: "new".into(), halted, ..RolloutStatus::default() };
    let back = Assignment {
        wanted: Some(spec("old", "r")),
        previous: Some(name_of("old", "r")),
        allow: Disturbance::Link,
    };
    assert_eq!(acts, [Act::Note(note), Act::Assign { node: "n1".into(), assignment: back }]);
}

#[test]
fn only_pods_that_may_be_evicted_are_and_one_that_stays_is_named_at_the_deadline() {
    let bare = PodView { controlled: false, ..pod("bare") };
    let pods = vec![bare, PodView { leaving: true, ..pod("going") }, pod("web")];
    let early = claimed(view(vec![emptied("n1", Some(pods.clone()))]), &["n1"], NOW + 1);
    let evict = Act::Evict { node: "n1".into(), namespace: "d".into(), pod: "web".into() };
    assert_eq!(step(&early), [evict, Act::LookAtPods { node: "n1".into() }]);
    assert_eq!(wake(&early), Some(NOW + 1));

    let late = claimed(view(vec![emptied("n1", Some(pods))]), &["n1"], NOW);
    let acts = step(&late);
    let by = "d/bare: nobody would start it elsewhere, and drain.force is false, and 2 more".to_owned();
    let mut note = late.resource.status;
    note.blocked = vec![Blocked { node: "n1".into(), by, until: NOW + 600 }];
    assert_eq!(acts[0], Act::Note(note));
    assert_eq!(assigned(&acts[1..]), [("n1", Some("new"), Disturbance::Link)]);
}

#[test]
fn an_empty_node_is_let_do_what_it_needs_and_no_more() {
    let acts = step(&claimed(view(vec![emptied("n1", Some(vec![]))]), &["n1"], NOW - 5));
    assert_eq!(assigned(&acts), [("n1", Some("new"), Disturbance::Reboot)]);
    assert_eq!(acts.len(), 1);
}

#[test]
fn a_node_that_another_resource_empties_is_waited_for() {
    let mut waits = changed("n1", LanePhase::Waiting, Disturbance::Workloads);
    (waits.unschedulable, waits.cordoned_for) = (true, Some("NodeProfile/p".into()));
    assert_eq!(step(&view(vec![waits.clone()])), []);
    // What is gone will never be done with it.
    waits.cordon_orphaned = true;
    assert_eq!(step(&view(vec![waits])), [Act::Uncordon { node: "n1".into() }]);
}

#[test]
fn nothing_new_comes_to_a_node_before_what_it_stands_on_is_ready_there() {
    let mut waits = node("n1");
    waits.waits_for = Some("NodeProfile/pages".into());
    let view = |node: NodeView| view(vec![node]);
    let first = step(&view(waits.clone()));
    assert_eq!(assigned(&first), []);
    waits.waits_for = None;
    assert!(!step(&view(waits)).is_empty());
}

#[test]
fn a_node_that_another_resource_claims_counts_before_it_is_cordoned() {
    let waits = |name: &str| changed(name, LanePhase::Waiting, Disturbance::Workloads);
    let theirs = NodeView { claimed_elsewhere: true, ..waits("n1") };
    let mut view = view(vec![theirs, waits("n2")]);
    assert_eq!(step(&view), []);
    view.resource.rollout.max_unavailable = MaxUnavailable::Count(2);
    assert_eq!(assigned(&step(&view)), [("n2", Some("new"), Disturbance::None)]);
}

#[test]
fn an_administrators_cordon_counts_and_the_node_may_be_changed_under_it() {
    let mut first = changed("n1", LanePhase::Waiting, Disturbance::Workloads);
    let mut second = changed("n2", LanePhase::Waiting, Disturbance::Workloads);
    second.unschedulable = true;
    let acts = step(&view(vec![first.clone(), second.clone()]));
    assert_eq!(assigned(&acts), [("n2", Some("new"), Disturbance::None)]);
    // Held, claimed, and not cordoned by us: the pods are looked at, and nothing is lifted in the end.
    second.assignment.as_mut().unwrap().allow = Disturbance::None;
    let acts = step(&claimed(view(vec![first.clone(), second.clone()]), &["n2"], NOW + 9));
    assert_eq!(acts, [Act::LookAtPods { node: "n2".into() }]);
    second = NodeView { unschedulable: true, ..changed("n2", LanePhase::Ready, Disturbance::None) };
    first.ready = false;
    let acts = step(&claimed(view(vec![first, second]), &["n2"], NOW + 9));
    assert_eq!(acts, [Act::Note(RolloutStatus { hash: "new".into(), ..RolloutStatus::default() })]);
}

#[test]
fn what_makes_no_sense_comes_to_no_node_and_gives_back_those_it_has_down() {
    let senseless = |mut view: View| {
        view.resource.senseless = true;
        step(&view)
    };
    assert_eq!(
        senseless(view(vec![node("n1"), changed("n2", LanePhase::Waiting, Disturbance::Workloads)])),
        []
    );
    assert_eq!(senseless(view(vec![changed("n1", LanePhase::Failed, Disturbance::None)])), []);
    let held = claimed(view(vec![emptied("n1", Some(vec![pod("web")]))]), &["n1"], NOW + 9);
    let acts = senseless(held);
    assert_eq!(assigned(&acts), [("n1", Some("new"), Disturbance::Link)]);
    assert_eq!(acts.len(), 1);
    let mut out = emptied("n1", None);
    out.assignment.iter_mut().for_each(|assignment| assignment.allow = Disturbance::Link);
    let out = claimed(view(vec![out]), &["n1"], NOW + 9);
    assert!(senseless(out).contains(&Act::Uncordon { node: "n1".into() }));
}

#[test]
fn a_deletion_waits_for_every_node_but_those_that_are_gone_or_abandoned() {
    let free = |node: NodeView| NodeView { place: Place::Free, ..node };
    let taken = |name: &str, phase| {
        let assignment =
            Assignment { wanted: None, previous: Some(name_of("old", "r")), allow: Disturbance::Link };
        let status = Some(said(None, phase, Disturbance::None));
        free(NodeView { assignment: Some(assignment), status, ..node(name) })
    };
    let dead = free(NodeView { ready: false, ..taken("n2", LanePhase::Removing) });
    let gone = free(NodeView { exists: false, ..node("n3") });
    let mut view = view(vec![taken("n1", LanePhase::Clean), dead, gone]);
    view.resource.deleting = true;
    assert_eq!(step(&view), []);
    view.resource.abandoned = Abandoned::from("n9, n2");
    assert_eq!(step(&view), [Act::Release]);
    view.resource.abandoned = Abandoned::from("*");
    assert_eq!(step(&view), [Act::Release]);
}

#[test]
fn a_share_of_the_nodes_may_be_down_at_once() {
    let wait = |at| changed(&format!("n{at}"), LanePhase::Waiting, Disturbance::Workloads);
    let mut view = view((0..8).map(wait).collect());
    view.resource.rollout.max_unavailable = MaxUnavailable::Share("25%".into());
    let none = Disturbance::None;
    assert_eq!(assigned(&step(&view)), [("n0", Some("new"), none), ("n1", Some("new"), none)]);
}

#[test]
fn the_words_of_the_annotation_are_read_as_people_write_them() {
    let named = |names: &[&str]| Abandoned::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let cases = BTreeMap::from([
        ("", Abandoned::Nobody),
        (" , ", Abandoned::Nobody),
        ("*", Abandoned::All),
        ("n1,*", Abandoned::All),
        ("n1, n2,", named(&["n1", "n2"])),
    ]);
    for (said, meant) in cases {
        assert_eq!(Abandoned::from(said), meant, "{said}");
    }
}
