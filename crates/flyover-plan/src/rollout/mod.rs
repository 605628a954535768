//! When a node gets a change: the machine that the operator runs for each resource, as a function from what is known to what can
//! be done now.
//!
//! All that must outlive an operator stands in the API server: in the resource's status (`Note`), in the lane of each `NodeState`
//! (`Assign`), in the cordon of each Node. Any operator takes up from there what another one left, at any point.
//!
//! Invariants, held by the model in `tests/rollout`, also while an operator dies between any two acts, and while an old one does one
//! more act of its list behind a new one's back:
//!
//! - We never take down more nodes than `maxUnavailable`, and take none down while so many are known to be down. Down by us is a
//!   node that has our cordon, or whose agent may disturb workloads. It is in the claims before, and until after.
//! - A cordon that is not ours is not lifted. Each of ours is, in the end.
//! - Agents disturb workloads only on nodes that are cordoned and empty.
//! - A change that fails on a canary comes to no other node; one that fails elsewhere to none that has not begun.
//! - Once nothing goes wrong any more, all comes to rest: ready; or halted, with the failed nodes back at what they had; or clean,
//!   and released. At rest there is nothing to do.
//!
//! What this asks of the others:
//!
//! - The operator writes each act under the `resourceVersion` of the view (see `Act`), in the order of the list, and ends the list
//!   at the first that fails.
//! - The agent says `Applying` or `Removing` **before** it begins, under the `resourceVersion` of the `NodeState` in which it read what
//!   it may; it leaves what it said `Failed` or `Refused` of alone until `wanted` changes; what was `Ready` once and is not any more it
//!   calls `Drifted`, and `Waiting` only if it wants to mend it and may not.

mod agent;
mod conditions;
mod cycle;
mod goal;
mod look;
mod note;
mod queue;
mod summary;
mod trouble;
mod view;

use flyover_api::resource::RolloutStatus;

pub use agent::Agent;
pub use summary::{Occasion, summary};
pub use view::{Abandoned, Act, NodeView, Place, PodView, ResourceView, View};

use cycle::Turn;
use goal::Goal;
use look::{Look, Said, Stage, keeper};
use queue::Queue;

/// What can be done now, in order. Empty when there is nothing to do but wait, or nothing to do.
#[must_use]
pub fn step(view: &View) -> Vec<Act> {
    let looks = Look::all(view);
    let survey = Survey::of(view, &looks);
    let queue = Queue::of(view, &survey);
    let turns = queue.turns();
    let mut status = survey.status.clone();
    for name in &turns.claim {
        status.claims.push((*name).to_owned());
        status.deadlines.insert((*name).to_owned(), note::deadline(view));
    }
    status.claims.sort();
    let mut acts = Vec::new();
    if status != view.resource.status {
        acts.push(Act::Note(status));
    }
    for (look, goal) in &survey.nodes {
        let blocked = look.is_blocked(&survey.status);
        let turn = Turn { view, turns: &turns, blocked, waits: queue.may_claim(look, *goal) };
        acts.extend(cycle::acts(&turn, look, *goal));
    }
    if acts.is_empty() && view.resource.deleting && looks.iter().all(is_rid) {
        acts.push(Act::Release);
    }
    acts
}

/// When to look again though nothing has changed: the next deadline, the next node that is tried again, or the next agent that is
/// missed.
#[must_use]
pub fn wake(view: &View) -> Option<i64> {
    let status = &view.resource.status;
    let until = status.blocked.iter().map(|blocked| blocked.until).chain(status.deadlines.values().copied());
    let own = view.nodes.iter().filter(|node| node.place == Place::Own && node.exists);
    let missed =
        own.filter_map(|node| node.agent.missed_in()?.try_into().ok()).map(|seconds: i64| view.now + seconds);
    until.chain(missed).filter(|until| *until > view.now).min()
}

/// What is to become of each node, and what is written down of it, but for new claims.
struct Survey<'a> {
    status: RolloutStatus,
    nodes: Vec<(Look<'a>, Goal)>,
    /// The canaries are ready with the newest spec.
    open: bool,
}

impl<'a> Survey<'a> {
    fn of(view: &View, looks: &[Look<'a>]) -> Self {
        let status = note::next(view, looks);
        let open = note::is_open(view, &status, looks);
        let nodes = looks.iter().map(|look| (*look, goal::goal(view, &status, look, open))).collect();
        Self { status, nodes, open }
    }
}

/// Whether nothing of the resource is left on a node, as far as a deletion waits for it.
fn is_rid(look: &Look<'_>) -> bool {
    if !look.node.exists {
        return true;
    }
    let assignment = look.node.assignment.as_ref();
    // Where no agent ever was nothing was begun, and one that comes finds that it is to have nothing.
    let clean = look.is_taken_back() && (look.said == Said::Clean || look.absent);
    let done = look.stage == Stage::Out && !look.cordoned && !look.claimed;
    done && (!look.ours || clean || look.abandoned || assignment.and_then(keeper).is_none())
}
