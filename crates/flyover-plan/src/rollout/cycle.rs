//! What is done on one node next.
//!
//! A node whose workloads are to be disturbed goes through a cycle: its agent is held, it is claimed, cordoned, emptied; the agent is
//! let; it is done; the agent is let no more; the node is uncordoned; the claim is given back. **No step is left out, whatever
//! happens meanwhile**, and each is a write to another object than the one before: NodeState, resource, Node, NodeState, NodeState,
//! Node, resource. So an operator that thought of a step long ago and does it only now finds its object changed, unless the cycle has not
//! gone past it.
//!
//! Invariant: a claimed node whose agent is held or let is cordoned before anything else, also where it would be given back at once.

use flyover_core::Disturbance;

use super::goal::{Goal, assignment};
use super::look::{HELD, Look, OUT, Said, Stage};
use super::queue::Turns;
use super::{Act, Place, PodView, View};

/// What one node's next act depends on, beside the node.
pub(super) struct Turn<'a> {
    pub(super) view: &'a View,
    pub(super) turns: &'a Turns<'a>,
    /// It could not be emptied in time.
    pub(super) blocked: bool,
    /// It waits to be claimed.
    pub(super) waits: bool,
}

/// What is done on a node next.
pub(super) fn acts(turn: &Turn<'_>, look: &Look<'_>, goal: Goal) -> Vec<Act> {
    if !look.node.exists {
        return Vec::new();
    }
    let goal = if turn.turns.change.contains(look.name()) { goal } else { Goal::Keep };
    match look.stage {
        Stage::Out => outside(turn, look, goal).into_iter().collect(),
        _ if !look.claimed => unclaimed(turn, look, goal).into_iter().collect(),
        _ => inside(turn, look, goal),
    }
}

fn outside(turn: &Turn<'_>, look: &Look<'_>, goal: Goal) -> Option<Act> {
    if look.cordoned {
        return Some(Act::Uncordon { node: look.name().to_owned() });
    }
    if look.claimed {
        return None;
    }
    let good = look.ours && look.node.place == Place::Own && look.said == Said::Ready && !look.proven;
    if goal != Goal::Keep || good {
        return Some(assign(turn, look, goal, OUT));
    }
    turn.turns.hold.contains(look.name()).then(|| assign(turn, look, Goal::Keep, HELD))
}

fn unclaimed(turn: &Turn<'_>, look: &Look<'_>, goal: Goal) -> Option<Act> {
    let stays = look.stage == Stage::Held && turn.waits;
    (!stays || goal != Goal::Keep).then(|| assign(turn, look, goal, OUT))
}

fn inside(turn: &Turn<'_>, look: &Look<'_>, goal: Goal) -> Vec<Act> {
    let others = look.node.cordoned_for.is_some() && !look.cordoned;
    if !look.node.unschedulable && !others {
        return vec![Act::Cordon { node: look.name().to_owned() }];
    }
    if look.said == Said::Working && !look.abandoned {
        return Vec::new();
    }
    if goal != Goal::Keep {
        return vec![assign(turn, look, goal, HELD)];
    }
    if look.said.is_end() || look.abandoned {
        return vec![assign(turn, look, Goal::Keep, OUT)];
    }
    match (look.stage, look.said) {
        (Stage::Raised, Said::Waiting(needs)) if raised_to(look) < needs => {
            vec![assign(turn, look, Goal::Keep, needs)]
        }
        (Stage::Raised, _) => Vec::new(),
        _ if turn.blocked || !look.tended || turn.view.is_senseless() => {
            vec![assign(turn, look, Goal::Keep, OUT)]
        }
        (_, Said::Waiting(needs)) if needs <= OUT => vec![assign(turn, look, Goal::Keep, OUT)],
        (_, Said::Waiting(needs)) if !others => empty(turn, look, needs),
        _ => Vec::new(),
    }
}

/// Empties a node, and lets its agent work when it is empty.
fn empty(turn: &Turn<'_>, look: &Look<'_>, needs: Disturbance) -> Vec<Act> {
    let node = || look.name().to_owned();
    let Some(pods) = &look.node.pods else { return vec![Act::LookAtPods { node: node() }] };
    if pods.is_empty() {
        return vec![assign(turn, look, Goal::Keep, needs)];
    }
    let drain = &turn.view.resource.rollout.drain;
    let goes = |pod: &&PodView| {
        !pod.leaving && (pod.controlled || drain.force) && (!pod.empty_dir || drain.delete_empty_dir_data)
    };
    let evict =
        |pod: &PodView| Act::Evict { node: node(), namespace: pod.namespace.clone(), pod: pod.name.clone() };
    let mut acts: Vec<_> = pods.iter().filter(goes).map(evict).collect();
    acts.push(Act::LookAtPods { node: node() });
    acts
}

fn raised_to(look: &Look<'_>) -> Disturbance {
    look.node.assignment.as_ref().map_or(OUT, |assignment| assignment.allow)
}

fn assign(turn: &Turn<'_>, look: &Look<'_>, goal: Goal, allow: Disturbance) -> Act {
    Act::Assign { node: look.name().to_owned(), assignment: assignment(turn.view, look, goal, allow) }
}
