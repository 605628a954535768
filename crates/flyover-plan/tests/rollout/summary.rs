//! What is said of a resource: counts, the first node to look at, and conditions that say what to do.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::resource::{
    Blocked, ConditionType, Halt, LanePhase, NodeCounts, ResourceStatus, RolloutStatus, Truth,
};
use flyover_core::Disturbance;
use flyover_plan::placement::Share;
use flyover_plan::rollout::{NodeView, Occasion, Place, View, summary};

use crate::table::{NOW, changed, node, view};

fn of(view: &View, share: &Share) -> ResourceStatus {
    let before = ResourceStatus::default();
    let at = Occasion { before: &before, now: "t", generation: Some(3) };
    summary(view, share, &at)
}

/// The conditions that say something, each in a line.
fn words(status: &ResourceStatus) -> Vec<String> {
    let quiet = |kind, truth| kind > ConditionType::Progressing && truth == Truth::False;
    let said = status.conditions.iter().filter(|said| !quiet(said.kind, said.status));
    said.map(|said| format!("{:?}={:?} {}: {}", said.kind, said.status, said.reason, said.message)).collect()
}

fn ready(name: &str) -> NodeView {
    changed(name, LanePhase::Ready, Disturbance::None)
}

fn waits(name: &str) -> NodeView {
    changed(name, LanePhase::Waiting, Disturbance::Workloads)
}

#[test]
fn all_is_well_on_all_nodes() {
    let status = of(&view(vec![ready("n1"), ready("n2")]), &Share::default());
    assert_eq!((status.summary.as_str(), status.first_failing.as_deref()), ("2/2", None));
    assert_eq!(status.nodes, NodeCounts { desired: 2, updated: 2, ready: 2, failed: 0 });
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(
        words(&status),
        [
            "Ready=True AllReady: 2 of 2 nodes are as asked for",
            "Progressing=False Done: nothing is left to be done"
        ]
    );
}

#[test]
fn the_canary_is_named() {
    let mut view = view(vec![changed("n1", LanePhase::Applying, Disturbance::Link), node("n2")]);
    view.resource.rollout.canary = 1;
    assert_eq!(
        words(&of(&view, &Share::default())),
        [
            "Ready=False NotAllReady: 0 of 2 nodes are as asked for",
            "Progressing=True Working: n1 is being changed; 1 of 2 nodes have the newest spec"
        ]
    );
    view.nodes[0] = NodeView { status: None, ..view.nodes[0].clone() };
    assert_eq!(
        words(&of(&view, &Share::default()))[1],
        "Progressing=True Canary: n1 has the change first; the others get it when it is ready there"
    );
}

#[test]
fn who_takes_the_room_is_named_with_what_to_do() {
    let down = NodeView { ready: false, ..ready("n2") };
    assert_eq!(
        words(&of(&view(vec![waits("n1"), down]), &Share::default()))[1],
        "Progressing=False NoRoom: n1 waits: n2 is down or cordoned already, and spec.rollout.maxUnavailable lets 1; \
         uncordon or mend it, or raise that"
    );
}

#[test]
fn a_change_that_failed_is_said_with_the_node_and_the_way_on() {
    let mut view = view(vec![node("n1"), node("n2")]);
    let halted = Halt { hash: "new".into(), node: "n1".into(), message: "failed: Hugepages: 3 of 8".into() };
    view.resource.status =
        RolloutStatus { hash: "new".into(), halted: Some(halted), ..RolloutStatus::default() };
    let status = of(&view, &Share::default());
    assert_eq!((status.nodes.failed, status.first_failing.as_deref()), (1, Some("n1")));
    assert_eq!(
        words(&status)[1..],
        [
            "Progressing=False Halted: the change failed and goes to no further node; change the spec to go on",
            "Degraded=True Halted: n1: failed: Hugepages: 3 of 8; it goes back to what it had. Mend the node or the spec, \
             and change the spec to try again"
        ]
    );
}

#[test]
fn conflicts_and_losses_name_the_other() {
    let contested = BTreeMap::from([("n2".to_owned(), BTreeSet::from(["other".to_owned()]))]);
    let lost = BTreeMap::from([("n3".to_owned(), "higher".to_owned())]);
    let share = Share { own: BTreeSet::from(["n1".to_owned()]), lost, contested };
    let status = of(&view(vec![ready("n1"), NodeView { place: Place::Contested, ..node("n2") }]), &share);
    assert_eq!(status.first_failing.as_deref(), Some("n2"));
    assert_eq!(
        words(&status),
        [
            "Ready=False NotAllReady: 1 of 1 nodes are as asked for; n3 is higher's by its priority",
            "Progressing=False Done: nothing is left to be done",
            "Degraded=True Conflict: other wants n2 with the same priority; the node keeps what it has. Change \
             spec.priority or spec.nodeSelector of one"
        ]
    );
    let share = Share { own: BTreeSet::new(), contested: BTreeMap::new(), ..share };
    assert_eq!(
        words(&of(&view(vec![]), &share))[0],
        "Ready=False Outranked: n3 is higher's by its priority; raise spec.priority to have them"
    );
    assert_eq!(
        words(&of(&view(vec![]), &Share::default()))[0],
        "Ready=False NoNodes: no node has the labels of spec.nodeSelector"
    );
}

#[test]
fn a_node_that_cannot_be_emptied_names_the_pod() {
    let mut view = view(vec![waits("n1"), ready("n2")]);
    let by = "shop/db-0: it would violate the budget db".to_owned();
    view.resource.status.blocked = vec![Blocked { node: "n1".into(), by, until: NOW + 60 }];
    let status = of(&view, &Share::default());
    assert_eq!(status.first_failing.as_deref(), Some("n1"));
    assert_eq!(
        words(&status)[1..],
        [
            "Progressing=True Changing: 2 of 2 nodes have the newest spec, 1 are ready with it",
            "Degraded=True Blocked: n1 could not be emptied: shop/db-0: it would violate the budget db. It is tried again; \
             make the pod leave to have it sooner"
        ]
    );
}

#[test]
fn drift_and_dead_nodes_are_said() {
    let mut drifted = changed("n1", LanePhase::Drifted, Disturbance::Link);
    drifted.status.as_mut().unwrap().drift = vec!["sysctl vm.swappiness is 60".into()];
    let dead = NodeView { ready: false, ..waits("n2") };
    assert_eq!(
        words(&of(&view(vec![drifted, dead]), &Share::default()))[2..],
        [
            "Degraded=True NodeNotReady: n2 is not ready, and has not finished: the change waits for it; delete the Node if \
             it will not come back",
            "Drifted=True Drifted: n1: sysctl vm.swappiness is 60"
        ]
    );
}
