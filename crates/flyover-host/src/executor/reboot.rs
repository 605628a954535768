//! The one reboot of a plan.
//!
//! Invariant: a reboot is remembered on disk, under the plan's hash and with the boot that it ends, before it is asked
//! for. In any later boot the same plan gets no other: what the first did not bring the second will not bring either
//! (sriov-network-operator #359, #1016).

use flyover_core::{Action, BootState, HostPath, KernelArgs, Plan, PlanHash};

use super::{ApplyError, Outcome, boot_id};
use crate::hands;
use crate::journal::{Generation, GenerationState};
use crate::store::{Held, StoreError};

/// Refuses a plan that asks for a reboot and has had one, before anything is changed.
pub(super) fn refuse_a_second(
    held: &Held,
    plan: &Plan,
    waiting: Option<&Generation>,
) -> Result<(), ApplyError> {
    let Some(why) = plan.reboot() else { return Ok(()) };
    let actions = plan.steps.iter().map(|step| &step.action);
    let before = waiting.into_iter().flat_map(|waiting| waiting.steps.iter().map(|entry| &entry.step.action));
    refuse(held, &plan.hash, before.chain(actions), why)
}

fn refuse<'a>(
    held: &Held,
    hash: &PlanHash,
    actions: impl Iterator<Item = &'a Action>,
    why: &str,
) -> Result<(), ApplyError> {
    let reboots = held.reboots()?;
    if reboots.asked.get(hash).is_none_or(|boot| *boot == boot_id(held.host())) {
        return Ok(());
    }
    let line = held.host().text(&HostPath::fixed("/proc/cmdline")).unwrap_or_default();
    let line = KernelArgs::parse(&line);
    let mut missing = Vec::new();
    for action in actions {
        if let Action::BootArgs(args) = action
            && let BootState::Edited(edit) = &args.state
        {
            missing.extend(edit.set.iter().filter(|arg| !line.satisfies(arg)).map(|arg| format!("+{arg}")));
            let there = |pattern: &&flyover_core::ArgPattern| line.iter().any(|arg| pattern.matches(arg));
            missing.extend(edit.unset.iter().filter(there).map(|pattern| format!("-{pattern}")));
        }
    }
    missing.dedup();
    let missing = if missing.is_empty() { why.to_owned() } else { missing.join(" ") };
    Err(ApplyError::RebootedInVain { missing })
}

/// Asks for the reboot at `at`, if it is allowed.
pub(super) fn reboot(
    held: &Held,
    mut generation: Generation,
    at: usize,
    allow: bool,
) -> Result<Outcome, ApplyError> {
    let Action::Reboot(reboot) = generation.steps[at].step.action.clone() else {
        unreachable!("only a reboot comes here");
    };
    let (number, why) = (generation.number, reboot.why.clone());
    let boot = boot_id(held.host());
    refuse(held, &generation.hash, generation.steps.iter().map(|entry| &entry.step.action), &why)?;
    generation.state = GenerationState::AwaitingReboot { boot_id: boot.clone() };
    held.write_generation(&generation)?;
    if !allow {
        return Ok(Outcome::NeedsReboot { generation: number, why });
    }
    let mut reboots = held.reboots()?;
    reboots.asked.insert(generation.hash, boot);
    held.write_reboots(&reboots)?;
    hands::of(&Action::Reboot(reboot)).act(held.host()).map_err(ApplyError::Reboot)?;
    Ok(Outcome::Rebooting { generation: number, why })
}

/// What was rolled back may be tried again, with a reboot of its own.
pub(super) fn forget(held: &Held, hashes: &[PlanHash]) -> Result<(), StoreError> {
    let mut reboots = held.reboots()?;
    let before = reboots.asked.len();
    reboots.asked.retain(|hash, _| !hashes.contains(hash));
    if reboots.asked.len() == before { Ok(()) } else { held.write_reboots(&reboots) }
}
