//! One round: what is looked at, and what is made again.
//!
//! Invariants: the switch comes before what is attached to it; a failure is told and the rest is done all the same; while
//! `ovs-vswitchd` does not answer, no port is made, for nothing would carry it out: sockets and their brokers are.

use std::collections::BTreeSet;
use std::time::SystemTime;

use flyover_cni_core::CniError;
use flyover_cni_core::names::AttachmentId;
use flyover_cni_core::reconcile::{self, Finding, Options, Verdict};
use flyover_cni_core::repair::{Depth, Repaired, repair};
use flyover_cni_core::state::Store;
use flyover_cni_core::switch as attachments;
use flyover_host::journal::Cause;
use flyover_host::ovs;
use serde::Serialize;

use super::Settings;
use crate::switch::SwitchError;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Task {
    pub(super) which: Which,
    /// Whether to look at the switch's spec.
    pub(super) spec: bool,
    /// Whether to look for what was left behind, and what of it may go.
    pub(super) collect: Option<BTreeSet<AttachmentId>>,
}

/// Which attachments.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// All of them.
    All,
    /// All of them, but the rows only of these.
    AllButRowsOnlyOf(BTreeSet<AttachmentId>),
    /// Only these.
    These(BTreeSet<AttachmentId>),
}

/// What a round did.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// What was not as the spec says, and was made so.
    pub switch: Vec<String>,
    /// Attachments that were made again.
    pub repaired: Vec<Mended>,
    /// Attachments that nobody has any more.
    pub left_behind: Vec<Finding>,
    /// Those of them that were taken away.
    pub collected: Vec<AttachmentId>,
    /// `ovs-vswitchd` did not answer, so only what needs no switch was made again.
    pub silent: bool,
    /// What could not be done.
    pub failed: Vec<String>,
}

/// An attachment that was made again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mended {
    /// Its short name.
    pub attachment: AttachmentId,
    /// What was not as ADD left it.
    pub differences: Vec<String>,
}

impl Default for Which {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Task {
    /// Whether there is nothing to look at.
    pub(super) fn is_empty(&self) -> bool {
        let none = matches!(&self.which, Which::These(ids) if ids.is_empty());
        none && !self.spec && self.collect.is_none()
    }

    /// With another one.
    pub(super) fn add(&mut self, other: Self) {
        self.spec |= other.spec;
        self.which = match (std::mem::take(&mut self.which), other.which) {
            (Which::These(mut ids), Which::These(more)) => {
                ids.extend(more);
                Which::These(ids)
            }
            _ => Which::All,
        };
    }
}

impl Which {
    /// How closely to look at an attachment; none is not at all.
    fn depth(&self, id: &AttachmentId) -> Option<Depth> {
        match self {
            Self::All => Some(Depth::Rows),
            Self::AllButRowsOnlyOf(ids) => Some(if ids.contains(id) { Depth::Rows } else { Depth::Sockets }),
            Self::These(ids) => ids.contains(id).then_some(Depth::Rows),
        }
    }
}

/// Does a round.
pub(super) fn run(settings: &Settings, task: &Task) -> Result<Round, CniError> {
    let mut round = Round::default();
    if task.spec {
        match spec(settings) {
            Ok(changed) => round.switch = changed,
            Err(error) => {
                round.silent |= matches!(error, SwitchError::Silent);
                round.failed.push(format!("the switch: {error}"));
            }
        }
    }
    heal(settings, &task.which, &mut round)?;
    if let Some(suspected) = &task.collect {
        collect(settings, suspected, &mut round)?;
    }
    Ok(round)
}

/// Makes the switch what was applied last, if anything was.
fn spec(settings: &Settings) -> Result<Vec<String>, SwitchError> {
    let Some(spec) = settings.switch.spec()? else { return Ok(Vec::new()) };
    if is_silent(settings)? {
        return Err(SwitchError::Silent);
    }
    if settings.switch.view(&spec)?.plan.steps.is_empty() {
        return Ok(Vec::new());
    }
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let applied = settings.switch.apply(&spec, Cause::Drift, now)?;
    Ok(applied.plan.steps.iter().map(|step| step.action.subject().to_string()).collect())
}

/// Whether `ovs-vswitchd` runs and does not answer: a change would only be waited for. One that does not run may be ours to
/// start.
fn is_silent(settings: &Settings) -> Result<bool, SwitchError> {
    if attachments::daemon(&settings.node).is_ok() {
        return Ok(false);
    }
    Ok(ovs::vswitchd(settings.switch.host(), &settings.switch.at()?).is_some())
}

fn heal(settings: &Settings, which: &Which, round: &mut Round) -> Result<(), CniError> {
    let store = Store::open(&settings.node)?;
    let ids = store.list()?;
    if ids.is_empty() {
        return Ok(());
    }
    if let Err(error) = attachments::daemon(&settings.node) {
        round.silent = true;
        round.failed.push(format!("ports wait: {error}"));
    }
    let depth =
        |id: &AttachmentId| which.depth(id).map(|depth| if round.silent { Depth::Sockets } else { depth });
    let all: Vec<_> = ids.into_iter().filter_map(|id| depth(&id).map(|depth| (id, depth))).collect();
    for (id, depth) in all {
        match repair(&settings.node, &store, &id, depth) {
            Ok(Repaired::Whole | Repaired::Nobody) => {}
            Ok(Repaired::Mended(differences)) => {
                round.repaired.push(Mended { attachment: id, differences });
            }
            Err(error) => round.failed.push(format!("attachment {id}: {error}")),
        }
    }
    Ok(())
}

/// Takes away what was left behind before and is still, then looks what is.
fn collect(
    settings: &Settings,
    suspected: &BTreeSet<AttachmentId>,
    round: &mut Round,
) -> Result<(), CniError> {
    let options = Options { dry_run: false, grace: settings.grace };
    if let Err(error) = reconcile::sweep(&settings.node) {
        round.failed.push(format!("what a CHECK left: {error}"));
    }
    if !suspected.is_empty() {
        for finding in reconcile::among(&settings.node, options, |id| suspected.contains(id))? {
            if finding.removed {
                round.collected.push(finding.id);
            } else {
                let told = finding.errors.iter().map(|error| format!("attachment {}: {error}", finding.id));
                round.failed.extend(told);
            }
        }
    }
    let found = reconcile::reconcile(&settings.node, Options { dry_run: true, ..options })?;
    let is_stale = |finding: &Finding| matches!(finding.verdict, Verdict::Stale { .. });
    round.left_behind = found.into_iter().filter(is_stale).collect();
    Ok(())
}

impl Round {
    /// Whether nothing had to be done.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.switch.is_empty()
            && self.repaired.is_empty()
            && self.collected.is_empty()
            && self.failed.is_empty()
    }

    /// Into the log.
    pub(super) fn tell(&self) {
        self.switch.iter().for_each(|step| tracing::info!(step, "made the switch what its spec says"));
        for mended in &self.repaired {
            let differences = mended.differences.join("; ");
            tracing::info!(attachment = mended.attachment.as_str(), differences, "made an attachment again");
        }
        self.collected
            .iter()
            .for_each(|id| tracing::info!(attachment = id.as_str(), "took away what was left"));
        self.failed.iter().for_each(|error| tracing::warn!(error, "failed"));
    }
}
