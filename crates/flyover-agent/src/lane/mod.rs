//! A lane of the node: what it is to have, what is found, and what follows.
//!
//! A [`Runner`] knows how one lane is looked at, made and taken back. [`decide`] says on data alone which of that is to be
//! done. A [`Machine`] moves the one by the other, and says how far it is.

mod decide;
mod fastpath;
mod heals;
mod machine;
mod process;
mod profile;
mod summary;
mod switch;
#[cfg(test)]
mod tests;

use flyover_api::resource::{Lane, LaneStatus, PlanSummary, Wanted};
use flyover_core::Disturbance;
use flyover_host::journal::Cause;

pub use decide::{Memory, Next, Verdict, decide};
pub(crate) use fastpath::{FastPathLane, INSTANCE as FASTPATH_INSTANCE};
pub use machine::Machine;
pub(crate) use profile::ProfileLane;
pub(crate) use summary::chain;
pub(crate) use switch::SwitchLane;

/// What knows how one lane is looked at, made and taken back. All of it blocks.
pub trait Runner: Send {
    /// What a wish means here, and what is not so. Looking changes nothing.
    fn look(&mut self, wanted: &Wanted) -> Look;

    /// Begins again what only a process does, where an earlier one had made it so. Its end had changed nothing.
    fn resume(&mut self, wanted: &Wanted) {
        let _nothing = wanted;
    }

    /// Makes it so, anew or again.
    fn apply(&mut self, wanted: &Wanted, allow: Disturbance, cause: Cause) -> Done;

    /// What taking all back would do.
    fn look_back(&mut self) -> Look;

    /// Takes all back.
    fn remove(&mut self) -> Removed;

    /// What was done, the last line last.
    fn journal(&self) -> Vec<String>;
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// This is to be done, and this is not so.
    Seen(Sight),
    /// The wish does not fit.
    Refused {
        /// Why, as a sentence.
        why: String,
        /// Whether the node is at fault, and not the wish: another lane may mend that.
        impossible: bool,
    },
    /// It could not be looked at.
    Blind(String),
}

/// What is to be done, and what is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What is to be done, if anything is.
    pub plan: Option<PlanSummary>,
    /// The most that it disturbs.
    pub needs: Disturbance,
    /// What is not so.
    pub drift: Vec<String>,
    /// What somebody should know besides.
    pub notes: Vec<String>,
}

impl Sight {
    /// With more that is missing, and comes without disturbing anything.
    pub(crate) fn add(&mut self, missing: Vec<String>) {
        if missing.is_empty() {
            return;
        }
        let plan = self.plan.get_or_insert_with(PlanSummary::default);
        plan.count += u32::try_from(missing.len()).unwrap_or_default();
        plan.steps.extend(missing.iter().map(|missing| format!("{missing}: it is put there")));
        self.drift.extend(missing);
    }
}

impl Default for Sight {
    fn default() -> Self {
        Self { plan: None, needs: Disturbance::None, drift: Vec::new(), notes: Vec::new() }
    }
}

/// How making it so ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was done.
    Made {
        /// What is not so all the same, as a sentence each.
        drift: Vec<String>,
        /// What somebody should know besides, as the next look will tell it too.
        notes: Vec<String>,
    },
    /// The node reboots, and the next agent goes on.
    Rebooting(String),
    /// Somebody else is changing the same thing; nothing was touched, and it is tried again.
    Busy(String),
    /// It was refused, and nothing was touched.
    Refused(String),
    /// It failed, and what was begun was taken back as far as that can be.
    Failed(String),
}

/// How taking back ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Nothing is left; what was put back.
    Clean(Vec<String>),
    /// Something is left, and is tried again.
    Left {
        /// One word.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
}

/// Where a lane says how far it is, and what happened.
pub trait Desk {
    /// This is so of the lane now; none is nothing.
    fn say(&self, lane: Lane, status: Option<&LaneStatus>);

    /// Says it, and waits until the cluster has it, with the wish that it follows from being the wish still.
    fn confirm(&self, lane: Lane, status: &LaneStatus) -> bool;

    /// This happened.
    fn tell(&self, event: Event);
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// On which lane.
    pub lane: Lane,
    /// For which resource, where one is known.
    pub from: Option<String>,
    /// What.
    pub what: Happened,
    /// As a sentence.
    pub note: String,
}

/// What happened, by the word events have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A wish was made so.
    Applied,
    /// It could not be.
    Failed,
    /// It cannot be.
    Refused,
    /// Somebody changed it.
    Drifted,
    /// It was made so again.
    Healed,
    /// All was taken back.
    Removed,
}
