//! How carrying out a plan can end, well or badly, in words for people and for programs.

use flyover_core::{Plan, Subject};
use serde::Serialize;

use super::Report;
use crate::journal::Cause;
use crate::root::HostError;
use crate::store::StoreError;

/// A plan to be carried out.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The profile it came from, for the record.
    pub profile: serde_json::Value,
    /// Why it is to be done.
    pub cause: Cause,
    /// The time, for the record.
    pub now: String,
    /// Whether the plan's reboot may be made.
    pub allow_reboot: bool,
}

/// How carrying out a plan ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was so already; nothing was written.
    AlreadySo,
    /// All is done.
    Done {
        /// In this generation.
        generation: u64,
    },
    /// All is done that can be before a reboot, which was not allowed.
    NeedsReboot {
        /// In this generation.
        generation: u64,
        /// What for.
        why: String,
    },
    /// The reboot was asked for.
    Rebooting {
        /// In this generation.
        generation: u64,
        /// What for.
        why: String,
    },
}

/// How far something cut off was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// Nothing was cut off.
    Nothing,
    /// The rest was done.
    Finished(Outcome),
    /// The rest of an undo was done.
    Undone {
        /// Of this generation.
        generation: u64,
        /// Why it was undone.
        why: String,
        /// What could not be undone.
        remains: Vec<NotUndone>,
    },
    /// The rest of a rollback was done.
    RolledBack(Report),
    /// The plan is to be made anew and applied, for a reboot lies between its parts.
    AwaitingReboot {
        /// The generation it goes on in.
        generation: u64,
        /// Whether the host has been rebooted since.
        rebooted: bool,
    },
}

/// A subject that could not be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotUndone {
    /// Which.
    pub subject: Subject,
    /// What was said.
    pub why: String,
}

/// Why a plan was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A step cannot be done.
    #[error("cannot set {subject}; nothing was changed")]
    Refused {
        /// Which.
        subject: Subject,
        /// Why.
        source: HostError,
    },
    /// The state cannot be written.
    #[error("cannot keep a journal; nothing was changed")]
    NoJournal(#[source] HostError),
    /// Something cut off comes first.
    #[error("generation {generation} was cut off; nothing was changed\n  hint: resume it, or roll it back")]
    Unfinished {
        /// Which.
        generation: u64,
    },
    /// A step failed and the run was undone.
    #[error("failed to set {subject}; {}", told(remains))]
    Stopped {
        /// Which.
        subject: Subject,
        /// What could not be undone.
        remains: Vec<NotUndone>,
        /// What failed.
        source: StepError,
    },
    /// The one reboot was made and did not help.
    #[error(
        "this plan has had its reboot, and still asks for one: {missing}\n  hint: see what takes it away (cat /proc/cmdline); after `flyover node rollback` another reboot is allowed"
    )]
    RebootedInVain {
        /// What is still missing.
        missing: String,
    },
    /// The reboot could not be asked for; what was done before it stays.
    #[error("failed to reboot")]
    Reboot(#[source] HostError),
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What failed in a step.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The hand.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing failed, yet it is not so.
    #[error("it was done without an error, and is not so")]
    NoEffect,
}

fn told(remains: &[NotUndone]) -> String {
    let list = |each: &NotUndone| format!("{} ({})", each.subject, each.why);
    match remains {
        [] => "everything this run had changed was put back".to_owned(),
        _ => format!("not put back: {}", remains.iter().map(list).collect::<Vec<_>>().join(", ")),
    }
}
