//! A plan: steps in order, each with its reason, its undo and the command a person would type.
//!
//! Invariant: a plan is data. It can be printed, compared, written to disk and executed later; what it holds
//! decides what happens.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Action, Subject};

/// What a lane wants to be so, whether or not it is so already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The subject and its state.
    pub action: Action,
    /// Why, in a sentence a person can check.
    pub why: String,
    /// What doing it disturbs.
    pub disturbs: Disturbance,
    /// It can be done only once the command line asked for is in force.
    pub after_reboot: bool,
}

/// What a step disturbs, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disturbance {
    /// Nothing that runs.
    None,
    /// A service stops or starts.
    Service,
    /// A network link goes.
    Link,
    /// Workloads on the host may notice.
    Workloads,
    /// Everything.
    Reboot,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The subject and the state it is to have.
    pub action: Action,
    /// The state it has, which is also what undoing the step puts back. A reboot has none.
    pub found: Option<Action>,
    /// Why.
    pub why: String,
    /// What a person would type instead.
    pub by_hand: Vec<String>,
    /// What doing it disturbs.
    pub disturbs: Disturbance,
    /// It is executed after the plan's reboot.
    pub after_reboot: bool,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names what is wanted, not what differs: the same before and after a reboot.
    pub hash: PlanHash,
    /// Changes, in order. A reboot is one of them.
    pub steps: Vec<Step>,
    /// How many wishes are fulfilled already.
    pub fulfilled: usize,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

impl Plan {
    /// Why a reboot is among the steps, if one is.
    #[must_use]
    pub fn reboot(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Reboot(reboot) => Some(reboot.why.as_str()),
            _ => None,
        })
    }
}

/// SHA-256 over all that is wanted, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanHash(pub String);

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..self.0.len().min(12)])
    }
}

/// What is ours on a host: each subject that was changed, and what is to be put back.
pub type Ledger = BTreeMap<Subject, Owned>;

/// A subject that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Its state before the first change that stands.
    pub found: Action,
    /// Its state after the last.
    pub left: Action,
    /// What the last change asked for.
    pub wished: Action,
}

/// Something that is not as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What.
    pub subject: String,
    /// How it should be.
    pub wanted: String,
    /// How it is.
    pub found: String,
}

/// Why a spec is not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {what}")]
pub struct Refusal {
    /// Whether the spec is at fault or the host.
    pub kind: RefusalKind,
    /// The field of the spec: `hugepages.pages[0].count`.
    pub field: String,
    /// What is wrong, and which.
    pub what: String,
    /// What the user can do.
    pub hint: Option<String>,
}

impl Refusal {
    /// The spec is at fault.
    #[must_use]
    pub fn invalid(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Invalid, field: field.into(), what: what.into(), hint: None }
    }

    /// This host cannot do it.
    #[must_use]
    pub fn impossible(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Impossible, field: field.into(), what: what.into(), hint: None }
    }

    /// With what the user can do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalKind {
    /// The spec contradicts itself, or asks for what no host has.
    Invalid,
    /// This host cannot do it.
    Impossible,
}
