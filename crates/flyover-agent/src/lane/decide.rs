//! What follows from what a lane is to have, what is found, and what was said of it before.
//!
//! Invariants: no I/O, no clock. A change is made only if it disturbs no more than is allowed, and drift is healed only if it
//! disturbs a service at most; who changes the same thing again and again is not fought with. What failed or was
//! refused is left alone until something else is asked for: the roll-out counts on that.

use flyover_api::resource::{Assignment, Lane, LanePhase, LaneStatus, Wanted};
use flyover_core::Disturbance;

use super::{Look, Sight};

/// Of what nobody asked for in this moment, no more than this is disturbed.
const HEALS: Disturbance = Disturbance::Service;
/// So often within ten minutes drift is healed; the next time it stays.
const OFTEN: usize = 2;

/// What is known besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory<'a> {
    /// What was said of the lane last.
    pub was: Option<&'a LaneStatus>,
    /// How often it was healed in the last ten minutes.
    pub healed: usize,
    /// A lane that this one stands on and that is still on its way.
    pub below: Option<Lane>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is as this says.
    Rest(Verdict),
    /// A new wish is to be made so.
    Apply,
    /// What somebody changed is to be made so again.
    Heal,
    /// All is to be taken back.
    Remove,
}

/// How a lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How far.
    pub phase: LanePhase,
    /// One word for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Verdict {
    pub(super) fn new(phase: LanePhase, reason: &'static str, message: impl Into<String>) -> Self {
        Self { phase, reason, message: message.into() }
    }
}

/// Whether nothing more happens to a lane by itself, so that it need not even be looked at.
#[must_use]
pub(super) fn is_at_an_end(assignment: &Assignment, was: Option<&LaneStatus>) -> bool {
    let Some(was) = was else { return false };
    match &assignment.wanted {
        Some(wanted) => was.phase.is_bad() && was.hash.as_ref() == Some(&wanted.hash),
        None => was.phase == LanePhase::Clean && was.hash.is_none(),
    }
}

/// Decides.
#[must_use]
pub fn decide(assignment: &Assignment, look: &Look, memory: Memory<'_>) -> Next {
    match &assignment.wanted {
        Some(wanted) => forwards(wanted, assignment.allow, look, memory),
        None => backwards(assignment.allow, look, memory),
    }
}

fn forwards(wanted: &Wanted, allow: Disturbance, look: &Look, memory: Memory<'_>) -> Next {
    // It was as this wish says at some time.
    let stood = memory.was.is_some_and(|was| {
        was.hash.as_ref() == Some(&wanted.hash) && matches!(was.phase, LanePhase::Ready | LanePhase::Drifted)
    });
    let rest = |phase, reason, message: &str| Next::Rest(Verdict::new(phase, reason, message));
    match look {
        Look::Blind(why) if stood => rest(LanePhase::Drifted, "CannotLook", why),
        Look::Blind(why) => rest(LanePhase::Failed, "CannotLook", why),
        Look::Refused { why, .. } if stood => rest(LanePhase::Drifted, "NoLongerPossible", why),
        Look::Refused { why, impossible: true } => match memory.below {
            Some(below) => {
                let message = format!("waits for the {below} lane of this node, without which {why}");
                rest(LanePhase::Waiting, "WaitsForLane", &message)
            }
            None => rest(LanePhase::Refused, "Impossible", why),
        },
        Look::Refused { why, .. } => rest(LanePhase::Refused, "Invalid", why),
        Look::Seen(sight) => seen(sight, allow, stood, memory.healed),
    }
}

fn seen(sight: &Sight, allow: Disturbance, stood: bool, healed: usize) -> Next {
    let drift = || sight.drift.join("; ");
    let drifted = |reason, message| Next::Rest(Verdict::new(LanePhase::Drifted, reason, message));
    match (&sight.plan, stood) {
        (None, _) if sight.drift.is_empty() => {
            Next::Rest(Verdict::new(LanePhase::Ready, "AsAsked", "all is as it was asked for"))
        }
        (None, true) => drifted("NotHealed", format!("nothing can be done about it: {}", drift())),
        (None, false) => {
            let message = format!("nothing can be done for it, and it is not so: {}", drift());
            Next::Rest(Verdict::new(LanePhase::Failed, "NotAsAsked", message))
        }
        (Some(_), true) if sight.needs > HEALS.min(allow) => drifted(
            "NeedsMore",
            format!("to heal it disturbs {}, which is not done unasked: {}", word(sight.needs), drift()),
        ),
        (Some(_), true) if healed >= OFTEN => drifted(
            "Contested",
            format!(
                "it was healed {healed} times within ten minutes, and somebody changes it again: {}",
                drift()
            ),
        ),
        (Some(_), true) => Next::Heal,
        (Some(_), false) if sight.needs > allow => Next::Rest(waiting(sight.needs, allow)),
        (Some(_), false) => Next::Apply,
    }
}

fn backwards(allow: Disturbance, look: &Look, memory: Memory<'_>) -> Next {
    let rest = |phase, reason, message: String| Next::Rest(Verdict::new(phase, reason, message));
    match look {
        Look::Blind(why) | Look::Refused { why, .. } => rest(LanePhase::Removing, "CannotLook", why.clone()),
        Look::Seen(_) if memory.below.is_some() => {
            let above = memory.below.map(|lane| lane.to_string()).unwrap_or_default();
            rest(LanePhase::Removing, "WaitsForLane", format!("waits until the {above} lane is taken back"))
        }
        Look::Seen(sight) if sight.needs > allow => Next::Rest(waiting(sight.needs, allow)),
        Look::Seen(_) => Next::Remove,
    }
}

fn waiting(needs: Disturbance, allow: Disturbance) -> Verdict {
    let message = format!("it disturbs {}, and {} is allowed", word(needs), word(allow));
    Verdict::new(LanePhase::Waiting, "NeedsMore", message)
}

fn word(disturbance: Disturbance) -> &'static str {
    match disturbance {
        Disturbance::None => "nothing",
        Disturbance::Service => "a service",
        Disturbance::Link => "a network link",
        Disturbance::Workloads => "workloads",
        Disturbance::Reboot => "everything: it needs a reboot",
    }
}
