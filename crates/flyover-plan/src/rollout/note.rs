//! What is written down before anything is done: which spec, its canaries, whether it failed, who gives back a claim, who could not
//! be emptied.
//!
//! Invariant: a claim is given back only where the cycle is over, and made only in `queue`.

use flyover_api::resource::{Blocked, Halt, LanePhase, RolloutStatus};

use super::look::{Look, Said, Stage};
use super::{Place, View};

/// Seconds after which a node that could not be emptied is tried again, at least.
const LEAST_REST: u32 = 60;

/// What is to be written, but for new claims.
pub(super) fn next(view: &View, looks: &[Look<'_>]) -> RolloutStatus {
    let mut status = view.resource.status.clone();
    let target = &view.resource.wanted.hash;
    let heeded = !view.resource.deleting && !view.is_senseless();
    if heeded && status.hash != *target {
        status.hash.clone_from(target);
        status.halted = None;
        status.canaries.clear();
        status.blocked.clear();
    }
    if heeded && status.halted.is_none() {
        status.halted = looks.iter().find_map(|look| failure(view, look));
    }
    let find = |name: &str| looks.iter().find(|look| look.name() == name);
    status.claims.retain(|name| find(name).is_some_and(holds_claim));
    status.claims.sort();
    status.claims.dedup();
    keep_deadlines(view, &mut status, looks);
    keep_blocked(view, &mut status, looks);
    if heeded && status.halted.is_none() && !view.resource.rollout.pause {
        choose_canaries(view, &mut status, looks);
    }
    status
}

/// Whether the canaries are ready with the newest spec, so that the others may have it.
pub(super) fn is_open(view: &View, status: &RolloutStatus, looks: &[Look<'_>]) -> bool {
    let well = |look: &&Look<'_>| {
        look.target
            && look.said == Said::Ready
            && look.node.ready
            && status.canaries.iter().any(|c| c == look.name())
    };
    looks.iter().filter(well).count() >= canaries(view, looks)
}

/// How many canaries there are to be: of the nodes where somebody could say that they are ready.
fn canaries(view: &View, looks: &[Look<'_>]) -> usize {
    let own =
        looks.iter().filter(|look| look.node.exists && look.node.place == Place::Own && !look.absent).count();
    usize::try_from(view.resource.rollout.canary).unwrap_or(usize::MAX).min(own)
}

/// A change that failed. What was ready once and fails later is no failure of a change.
fn failure(view: &View, look: &Look<'_>) -> Option<Halt> {
    // Also where the node has become somebody else's since: the change is the same.
    if !look.node.exists || !look.target || look.proven || look.said != Said::Bad {
        return None;
    }
    let status = look.node.status.as_ref()?;
    let how = if status.phase == LanePhase::Refused { "refused" } else { "failed" };
    Some(Halt {
        hash: view.resource.wanted.hash.clone(),
        node: look.name().to_owned(),
        message: format!("{how}: {}", status.message),
    })
}

fn holds_claim(look: &Look<'_>) -> bool {
    look.node.exists && (look.stage != Stage::Out || look.cordoned)
}

/// A claimed node has a deadline as long as it is being emptied.
fn keep_deadlines(view: &View, status: &mut RolloutStatus, looks: &[Look<'_>]) {
    let held: Vec<_> = looks
        .iter()
        .filter(|look| look.stage == Stage::Held && status.claims.iter().any(|name| name == look.name()))
        .map(|look| look.name().to_owned())
        .collect();
    status.deadlines.retain(|name, _| held.contains(name));
    for name in held {
        status.deadlines.entry(name).or_insert_with(|| deadline(view));
    }
}

/// When a node that is claimed now is to be empty.
pub(super) fn deadline(view: &View) -> i64 {
    view.now + i64::from(view.resource.rollout.drain.deadline_seconds)
}

fn keep_blocked(view: &View, status: &mut RolloutStatus, looks: &[Look<'_>]) {
    let claims = status.claims.clone();
    let stands = |blocked: &Blocked| {
        let look = looks.iter().find(|look| look.name() == blocked.node);
        let open = look.is_some_and(|look| look.node.exists && !look.said.is_end());
        open && (blocked.until > view.now || claims.contains(&blocked.node))
    };
    status.blocked.retain(stands);
    let late = |look: &&Look<'_>| {
        look.stage == Stage::Held && status.deadlines.get(look.name()).is_some_and(|until| *until <= view.now)
    };
    let rest = i64::from(view.resource.rollout.drain.deadline_seconds.max(LEAST_REST));
    let blocked: Vec<_> = looks
        .iter()
        .filter(late)
        .filter(|look| !look.is_blocked(status))
        .filter_map(|look| {
            Some(Blocked { node: look.name().to_owned(), by: stays(view, look)?, until: view.now + rest })
        })
        .collect();
    status.blocked.extend(blocked);
}

/// Who did not leave in time, and why; none where that is not known or not so.
fn stays(view: &View, look: &Look<'_>) -> Option<String> {
    match look.said {
        Said::Nothing => return Some("its agent, which has not said what it would do".to_owned()),
        Said::Waiting(_) => {}
        _ => return None,
    }
    if let Some(by) = look.node.cordoned_for.as_ref().filter(|_| !look.cordoned) {
        return Some(format!("{by}, which has not finished there"));
    }
    let pods = look.node.pods.as_ref()?;
    let first = pods.first()?;
    let drain = &view.resource.rollout.drain;
    let why = match &first.refused {
        _ if !first.controlled && !drain.force => "nobody would start it elsewhere, and drain.force is false",
        _ if first.empty_dir && !drain.delete_empty_dir_data => {
            "it has an emptyDir, and drain.deleteEmptyDirData is false"
        }
        Some(refused) => refused,
        None => "it takes longer than drain.deadlineSeconds",
    };
    let more = pods.len() - 1;
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    Some(format!("{}/{}: {why}{others}", first.namespace, first.name))
}

/// Canaries stay what they are until they are gone, or make room because they cannot be emptied or have no agent; new ones are the
/// first that are ready, and of those the ones that have the change already, then those whose agents were heard.
fn choose_canaries(view: &View, status: &mut RolloutStatus, looks: &[Look<'_>]) {
    let displaced = |look: &Look<'_>, status: &RolloutStatus| {
        !look.target && (look.absent || !look.claimed && look.is_blocked(status))
    };
    let own = |look: &Look<'_>| look.node.exists && look.node.place == Place::Own && !displaced(look, status);
    // One that became somebody else's is waited for as long as it has the change: it may yet fail.
    let standing: Vec<_> = looks.iter().filter(|look| own(look) || look.node.exists && look.target).collect();
    let mut chosen: Vec<String> =
        status.canaries.iter().filter(|name| standing.iter().any(|l| l.name() == *name)).cloned().collect();
    let mut others: Vec<_> = standing
        .iter()
        .filter(|look| {
            own(look)
                && look.node.ready
                && !look.absent
                && !look.is_blocked(status)
                && !chosen.iter().any(|name| name == look.name())
        })
        .collect();
    others.sort_by_key(|look| {
        (!(look.target && look.said == Said::Ready), !look.target, !look.node.agent.spoke)
    });
    let missing = canaries(view, looks).saturating_sub(chosen.len());
    chosen.extend(others.iter().take(missing).map(|look| look.name().to_owned()));
    chosen.sort();
    status.canaries = chosen;
}
