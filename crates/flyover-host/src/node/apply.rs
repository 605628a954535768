//! Changing a node: forwards by a profile, backwards by the journal.

use std::path::Path;

use flyover_api::NodeProfileSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{Drift, Plan};
use flyover_plan::{plan_wishes, recall};
use serde::Serialize;

use super::{Node, NodeError, resume_unit};
use crate::executor::{self, Order, Outcome, Report};
use crate::journal::{Cause, Generation, GenerationState};
use crate::past::{Past, history, last_to_stand};
use crate::receipt::{Receipt, receipt};
use crate::store::Held;

/// How to apply.
#[derive(Clone, Debug)]
pub struct How<'a> {
    /// Whether the plan's reboot may be made.
    pub allow_reboot: bool,
    /// Why it is applied.
    pub cause: Cause,
    /// The time, for the record.
    pub now: String,
    /// The program that goes on after the reboot; none where whoever asks goes on by itself.
    pub program: Option<&'a Path>,
    /// Whether nobody asked now: it goes on by itself.
    pub resumes: bool,
}

/// How a profile was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was to be done.
    pub plan: Plan,
    /// What is not as the profile says all the same: the kernel may take an argument and do nothing about it.
    pub drift: Vec<Drift>,
}

impl Node {
    /// Makes the node what the profile says, once all that was begun before is at an end, and looks whether it is.
    pub fn apply(&self, spec: &NodeProfileSpec, how: &How<'_>) -> Result<Applied, NodeError> {
        let held = self.store.lock()?;
        executor::finish(&held)?;
        let applied = self.apply_held(&held, spec, how);
        if applied.is_err() {
            // What failed now would fail at each boot. The first error is the one to tell of.
            if let Err(error) = resume_unit::take_away(self, &held, how) {
                tracing::warn!(%error, "the unit that goes on after a reboot stays");
            }
        }
        applied
    }

    fn apply_held(&self, held: &Held, spec: &NodeProfileSpec, how: &How<'_>) -> Result<Applied, NodeError> {
        let view = self.view(spec)?;
        let mut plan = view.plan;
        self.same_as_before(&plan, how)?;
        resume_unit::put_last(&mut plan);
        if let Some(program) = how.program.filter(|_| how.allow_reboot && view.facts.os.systemd) {
            resume_unit::add(&self.host, &mut plan, program)?;
        }
        let profile = serde_json::to_value(spec).expect("a profile has string keys only");
        let (now, cause) = (how.now.clone(), how.cause);
        let order = Order { plan: &plan, profile, cause, now, allow_reboot: how.allow_reboot };
        let outcome = executor::apply(held, &order)?;
        let at_an_end = matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo);
        let drift = if at_an_end { self.view(spec)?.drift } else { Vec::new() };
        Ok(Applied { outcome, plan, drift })
    }

    /// Nobody looks on when a node goes on by itself, so it does only what was looked at: after a reboot devices may
    /// have other names.
    fn same_as_before(&self, plan: &Plan, how: &How<'_>) -> Result<(), NodeError> {
        let generations = self.store.generations()?;
        let waits =
            |generation: &&Generation| matches!(generation.state, GenerationState::AwaitingReboot { .. });
        match generations.last().filter(waits) {
            Some(waiting) if how.resumes && waiting.hash != plan.hash => Err(NodeError::Changed),
            _ => Ok(()),
        }
    }

    /// The profile that a crash or a reboot interrupted.
    pub fn interrupted(&self) -> Result<NodeProfileSpec, NodeError> {
        let open = |generation: &Generation| !generation.is_settled();
        let last = self.store.generations()?.into_iter().rev().find(open).ok_or(NodeError::NothingBegun)?;
        profile_of(&last)
    }

    /// What going back to after generation `to` would do; before the newest that stands unless given.
    pub fn rollback_plan(&self, to: Option<u64>) -> Result<Plan, NodeError> {
        let ledger = self.store.ledger_after(self.before(to)?)?;
        let facts: HostFacts = recall(self.facts(None)?, &ledger);
        Ok(plan_wishes(&[], &facts, &executor::observe(&self.host, &[], &ledger)?, &ledger))
    }

    /// Goes back to after generation `to`; zero is the node as it was found.
    pub fn roll_back(&self, to: Option<u64>) -> Result<Report, NodeError> {
        let held = self.store.lock()?;
        let to = self.before(to)?;
        Ok(executor::roll_back(&held, to)?)
    }

    /// Takes the journal itself away, where nothing of it stands; whether it is away.
    pub fn forget(&self) -> Result<bool, NodeError> {
        Ok(self.store.lock()?.forget()?)
    }

    /// All generations, the oldest first.
    pub fn history(&self) -> Result<Vec<Past>, NodeError> {
        Ok(history(&self.store)?)
    }

    /// What on the node is ours.
    pub fn receipt(&self) -> Result<Receipt, NodeError> {
        Ok(receipt(&self.store)?)
    }

    fn before(&self, to: Option<u64>) -> Result<u64, NodeError> {
        last_to_stand(&self.store, to)?.map_err(NodeError::NoGeneration)
    }
}

/// The profile a generation was made for.
pub(super) fn profile_of(generation: &Generation) -> Result<NodeProfileSpec, NodeError> {
    serde_json::from_value(generation.profile.clone())
        .map_err(|source| NodeError::Profile { number: generation.number, source })
}
