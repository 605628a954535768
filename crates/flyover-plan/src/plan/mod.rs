//! Compares what is wished with what was observed and with what earlier plans left, and says what to do, in order.
//!
//! Invariants: what is no longer wished goes back first, in the reverse of the order it came; what a person changed
//! since is kept and named, but for the boot loader's configuration, which others rewrite: there ours goes; a host on which everything is as wished gets no step.

mod back;
mod reboot;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use flyover_core::facts::HostFacts;
use flyover_core::{
    Action, ArgPattern, BootArgs, BootState, Ledger, Plan, PlanHash, Step, Subject, Wish, is_read_at_start,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Settled, by_hand, wishes};

pub(crate) use reboot::missing;

/// What a hand found of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The state it has, as the action that would put it back.
    pub found: Action,
    /// Whether that is the state wished. Equality cannot tell it of everything: a boot loader's configuration is
    /// wished as an edit and found as files.
    pub holds: bool,
}

/// What was observed of every subject that is wished or owned.
pub type Observations = BTreeMap<Subject, Observed>;

/// What is to be done so that the host is as settled.
#[must_use]
pub fn plan(settled: &Settled, facts: &HostFacts, observed: &Observations, ledger: &Ledger) -> Plan {
    let mut plan = plan_wishes(&wishes(settled, facts), facts, observed, ledger);
    plan.notes.splice(0..0, settled.notes.iter().cloned());
    plan
}

/// What is to be done so that all wishes hold and nothing of ours is left that is not wished.
#[must_use]
pub fn plan_wishes(wishes: &[Wish], facts: &HostFacts, observed: &Observations, ledger: &Ledger) -> Plan {
    let mut draft = Draft {
        observed,
        ledger,
        steps: Vec::new(),
        going_back: BTreeMap::new(),
        taken_out: Vec::new(),
        notes: Vec::new(),
        fulfilled: 0,
    };
    draft.put_back(wishes, facts);
    draft.replace_boot_args(wishes);
    let (before, after): (Vec<_>, Vec<_>) = wishes.iter().partition(|wish| !wish.after_reboot);
    for wish in before {
        draft.step(wish);
    }
    draft.steps.extend(reboot::step(wishes, facts));
    for wish in after {
        draft.step(wish);
    }
    Plan { hash: hash(wishes), steps: draft.steps, fulfilled: draft.fulfilled, notes: draft.notes }
}

/// Names what is wished: the actions alone, for reasons may be worded by what was found.
#[must_use]
pub fn hash(wishes: &[Wish]) -> PlanHash {
    let actions: Vec<&Action> = wishes.iter().map(|wish| &wish.action).collect();
    let json = serde_json::to_vec(&actions).expect("actions have string keys alone");
    PlanHash(Sha256::digest(json).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("strings take all that is written");
        hex
    }))
}

struct Draft<'a> {
    observed: &'a Observations,
    ledger: &'a Ledger,
    steps: Vec<Step>,
    /// What the steps so far put back, to be changed anew.
    going_back: BTreeMap<Subject, Action>,
    /// Arguments of ours that the edit of the command line is to take out besides what is wished.
    taken_out: Vec<ArgPattern>,
    notes: Vec<String>,
    fulfilled: usize,
}

impl Draft<'_> {
    /// One step, unless the wish holds and nothing of this plan goes before it on the same subject.
    fn step(&mut self, wish: &Wish) {
        let subject = wish.action.subject();
        let action = self.with_taken_out(&wish.action);
        let going_back = self.going_back.get(&subject).cloned();
        let observed = self.observed.get(&subject);
        let stays = going_back.is_none() && !self.is_to_be_restarted(&action);
        if action == wish.action && stays && observed.is_some_and(|o| o.holds) {
            self.fulfilled += 1;
            return;
        }
        let found = going_back.or_else(|| observed.map(|o| o.found.clone()));
        self.steps.push(Step {
            by_hand: by_hand(&action, found.as_ref()),
            action,
            found,
            why: wish.why.clone(),
            disturbs: wish.disturbs,
            after_reboot: wish.after_reboot,
        });
    }

    /// Whether an option goes back that a switch reads at its start only.
    fn is_to_be_restarted(&self, action: &Action) -> bool {
        let Action::OvsRestart(restart) = action else { return false };
        self.steps.iter().any(|step| match &step.action {
            Action::OvsOption(option) => option.switch == restart.switch && is_read_at_start(&option.key),
            _ => false,
        })
    }

    fn with_taken_out(&self, action: &Action) -> Action {
        let mut action = action.clone();
        if let Action::BootArgs(BootArgs { state: BootState::Edited(edit), .. }) = &mut action {
            let more = self.taken_out.iter().filter(|pattern| !edit.unset.contains(pattern)).cloned();
            edit.unset.extend(more.collect::<Vec<_>>());
        }
        action
    }
}

fn subjects(wishes: &[Wish]) -> BTreeSet<Subject> {
    wishes.iter().map(|wish| wish.action.subject()).collect()
}
