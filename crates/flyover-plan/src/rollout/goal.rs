//! What is to become of a node's assignment, whether or not it is its turn, and what is written for it.
//!
//! Invariant: `previous` is what the node was last ready with. Once it is ready with `wanted`, `previous` names the same hash
//! and holds no spec: there is nothing to go back to, and a later failure is no failure of a change.

use flyover_api::resource::{Assignment, OnFailure, RolloutStatus, Wanted};
use flyover_core::Disturbance;
use serde_json::Map;

use super::look::{Look, OUT, Said, proven};
use super::{Place, View};

/// What is to become of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It stays.
    Keep,
    /// The newest spec.
    Change,
    /// What the node was last ready with.
    GoBack,
    /// Nothing.
    TakeBack,
}

/// What is to become of a node's assignment. `open`: the canaries are ready with the newest spec.
pub(super) fn goal(view: &View, status: &RolloutStatus, look: &Look<'_>, open: bool) -> Goal {
    if !look.node.exists || !look.tended || view.is_senseless() {
        return Goal::Keep;
    }
    if view.resource.deleting || look.node.place == Place::Free {
        let has = look.ours && look.node.assignment.is_some() && !look.is_taken_back();
        return if has { Goal::TakeBack } else { Goal::Keep };
    }
    let halted = status.halted.is_some();
    if !look.target {
        return if halted { Goal::Keep } else { Goal::Change };
    }
    let rollback = view.resource.rollout.on_failure == OnFailure::Rollback;
    let untouched = matches!(look.said, Said::Waiting(_));
    // A canary that cannot be emptied, or that has no agent, makes room for another one, and must not come after that.
    let stuck = untouched && look.is_blocked(status) || look.absent;
    let displaced = !open && stuck && !look.claimed;
    let back = halted && (untouched || look.said == Said::Bad && rollback) || displaced;
    if back && !look.proven { Goal::GoBack } else { Goal::Keep }
}

/// The assignment that a goal asks for.
pub(super) fn assignment(view: &View, look: &Look<'_>, goal: Goal, allow: Disturbance) -> Assignment {
    let now = look.node.assignment.as_ref();
    let us = &view.resource.name;
    let wanted = now.and_then(|now| now.wanted.as_ref());
    match goal {
        Goal::Keep => kept(view, look, allow),
        Goal::Change => {
            Assignment { wanted: Some(view.resource.wanted.clone()), previous: last_good(look), allow }
        }
        Goal::TakeBack => {
            let had = wanted.unwrap_or(&view.resource.wanted);
            Assignment { wanted: None, previous: Some(name_of(had, us)), allow }
        }
        Goal::GoBack => {
            let good =
                now.and_then(|now| now.previous.clone()).map(|good| Wanted { from: us.clone(), ..good });
            let previous = Some(name_of(good.as_ref().unwrap_or(&view.resource.wanted), us));
            Assignment { wanted: good, previous, allow }
        }
    }
}

/// The same assignment, with what is known of it by now. On an own node it is this resource's from now on, whoever's it was: the
/// one that lost the node looks after it no more.
fn kept(view: &View, look: &Look<'_>, allow: Disturbance) -> Assignment {
    let mut kept =
        look.node.assignment.clone().unwrap_or(Assignment { wanted: None, previous: None, allow: OUT });
    if look.node.place == Place::Own {
        let keeper = if kept.wanted.is_some() { &mut kept.wanted } else { &mut kept.previous };
        keeper.iter_mut().for_each(|keeper| keeper.from.clone_from(&view.resource.name));
    }
    if let (Said::Ready, Some(wanted)) = (look.said, &kept.wanted) {
        kept.previous = Some(name_of(wanted, &wanted.from));
    }
    Assignment { allow, ..kept }
}

/// What the node was last ready with.
fn last_good(look: &Look<'_>) -> Option<Wanted> {
    let now = look.node.assignment.as_ref()?;
    let wanted = now.wanted.as_ref()?;
    if proven(now) || look.said == Said::Ready { Some(wanted.clone()) } else { now.previous.clone() }
}

/// A spec by its name only.
fn name_of(wanted: &Wanted, from: &str) -> Wanted {
    Wanted {
        from: from.to_owned(),
        generation: wanted.generation,
        hash: wanted.hash.clone(),
        spec: Map::new(),
    }
}
