//! What was done to the host, and how far it got: one document for each time a plan was applied, and one for a
//! rollback that is under way.
//!
//! Invariant: a document is written before what it intends is done, and after it was. Whoever reads it after a crash
//! knows of each subject what was found, and whether anything may have happened to it since.

use std::fmt;

use flyover_core::{Action, PlanHash, Step, Subject};
use serde::{Deserialize, Serialize};

/// The form of these documents. A program that finds a higher number leaves them alone.
pub const LAYOUT: u32 = 1;

/// One plan, applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// The form of this document.
    pub layout: u32,
    /// Counted from one.
    pub number: u64,
    /// What was wanted.
    pub hash: PlanHash,
    /// The profile it came from.
    pub profile: serde_json::Value,
    /// When it began, as the caller tells the time.
    pub started: String,
    /// The boot it began in.
    pub boot_id: String,
    /// How far it is.
    pub state: GenerationState,
    /// The first entry of the run that is, or was last, under way. Those before it were done before a reboot.
    pub run_from: usize,
    /// Its steps.
    pub steps: Vec<Entry>,
}

/// How far a generation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum GenerationState {
    /// Its steps are being done.
    Running,
    /// All that can be done before a reboot is done.
    AwaitingReboot {
        /// The boot that is to end.
        boot_id: String,
    },
    /// It is done.
    Done,
    /// A step failed, and the run is being undone.
    Stopping {
        /// What failed.
        why: String,
    },
    /// A step failed, and the run was undone.
    Stopped {
        /// What failed.
        why: String,
    },
    /// It was rolled back.
    RolledBack,
}

/// Why a plan is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody asks for it now. What is there was there before.
    #[default]
    Asked,
    /// What was so by an earlier wish is so no more, and nobody asks now: what is there is not to come back.
    Drift,
}

/// One step and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was to be done.
    pub step: Step,
    /// The state the subject had just before.
    pub found: Option<Action>,
    /// The state it had just after.
    pub left: Option<Action>,
    /// Why it is done.
    #[serde(default)]
    pub cause: Cause,
    /// How far it is.
    pub state: EntryState,
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum EntryState {
    /// Nothing was done.
    Planned,
    /// It may have been done, in part or whole.
    Intended,
    /// It was done.
    Done,
    /// It was undone.
    Undone,
    /// It was left, because a person had changed it since.
    Kept {
        /// The state it had then.
        now: Box<Action>,
    },
}

/// A rollback under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The form of this document.
    pub layout: u32,
    /// The last generation that is to stand.
    pub to: u64,
    /// The generations that are to go, by number.
    pub numbers: Vec<u64>,
    /// What is to be put back, in order.
    pub items: Vec<Item>,
}

/// A subject to be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its state before the first of the generations that are to go.
    pub found: Action,
    /// Its state after the last; none where that was never reached.
    pub left: Option<Action>,
    /// What was asked for, in order.
    pub wished: Vec<Action>,
    /// Others changed it between two changes of ours, so that what was found first cannot come back whole.
    #[serde(default)]
    pub mixed: bool,
    /// How far it is.
    pub state: ItemState,
}

/// How far a subject is put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ItemState {
    /// Not looked at yet.
    Planned,
    /// It may be put back, in part or whole.
    Intended {
        /// Changes of others are mixed in, so that only ours is taken out.
        mixed: bool,
    },
    /// It is as it was found.
    Undone {
        /// What others added is kept.
        mixed: bool,
    },
    /// It is as others have it since.
    Kept {
        /// The state it had then.
        now: Box<Action>,
    },
}

impl Generation {
    /// Whether nothing of it is left to do, and nothing to undo.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(
            self.state,
            GenerationState::Done | GenerationState::Stopped { .. } | GenerationState::RolledBack
        )
    }

    /// Entries that changed the host, or may have, and were not undone.
    pub fn standing(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        let stands = self.state != GenerationState::RolledBack;
        self.steps.iter().filter(move |entry| {
            stands && entry.found.is_some() && matches!(entry.state, EntryState::Intended | EntryState::Done)
        })
    }
}

impl Entry {
    /// A step nothing was done of.
    #[must_use]
    pub fn planned(step: Step, cause: Cause) -> Self {
        Self { step, found: None, left: None, cause, state: EntryState::Planned }
    }

    /// What goes back when all of ours goes, so far as this entry knows. Under drift lies what had been asked for.
    #[must_use]
    pub fn origin(&self) -> Option<Action> {
        match self.cause {
            Cause::Asked => self.found.clone(),
            Cause::Drift => self.left.clone().or_else(|| Some(self.step.action.clone())),
        }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.step.action.subject()
    }

    /// Whether it is the plan's reboot.
    #[must_use]
    pub fn is_reboot(&self) -> bool {
        matches!(self.step.action, Action::Reboot(_))
    }
}

impl fmt::Display for GenerationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::AwaitingReboot { .. } => f.write_str("awaiting reboot"),
            Self::Done => f.write_str("done"),
            Self::Stopping { why } => write!(f, "stopping: {why}"),
            Self::Stopped { why } => write!(f, "stopped: {why}"),
            Self::RolledBack => f.write_str("rolled back"),
        }
    }
}
