//! Carries out plans, step by step, so that nothing that happens in between leaves a host nobody understands.
//!
//! Invariants: all that can be refused is refused before the first change. What was found is journalled before a
//! step, and what it left after it. A step that fails has its run undone in reverse; a run that was cut off is gone
//! on with from the journal, never from a second look at what the cut-off step may have half changed.

mod finish;
mod observe;
mod outcome;
mod reboot;
mod rollback;
mod run;
mod validate;

use flyover_core::{Action, HostPath, Plan, Step};

pub use finish::finish;
pub use observe::observe;
pub use outcome::{ApplyError, NotUndone, Order, Outcome, Resumed, StepError};
use validate::prepares;

pub use rollback::{Kept, Report, roll_back};

use crate::hands;
use crate::journal::{Entry, EntryState, Generation, GenerationState, LAYOUT};
use crate::root::HostRoot;
use crate::store::{Held, StoreError};

/// Carries out a plan, in a new generation or in the one that awaited a reboot for it.
pub fn apply(held: &Held, order: &Order<'_>) -> Result<Outcome, ApplyError> {
    let outcome = carry_out(held, order)?;
    if order.plan.reboot().is_none() && matches!(outcome, Outcome::AlreadySo | Outcome::Done { .. }) {
        // Its reboot, if it had one, has helped: should the argument go again one day, another is no loop.
        reboot::forget(held, std::slice::from_ref(&order.plan.hash))?;
    }
    Ok(outcome)
}

fn carry_out(held: &Held, order: &Order<'_>) -> Result<Outcome, ApplyError> {
    let host = held.host();
    let generations = held.generations()?;
    if let Some(rollback) = held.rollback()? {
        return Err(ApplyError::Unfinished { generation: rollback.to + 1 });
    }
    let mut last = generations.into_iter().next_back();
    if let Some(cut_off) = last
        .as_ref()
        .filter(|last| matches!(last.state, GenerationState::Running | GenerationState::Stopping { .. }))
    {
        return Err(ApplyError::Unfinished { generation: cut_off.number });
    }
    let waiting = last.take_if(|last| matches!(last.state, GenerationState::AwaitingReboot { .. }));
    let number = last.as_ref().map_or(1, |last| last.number + 1);
    let steps = before_reboot(order.plan);
    reboot::refuse_a_second(held, order.plan, waiting.as_ref())?;
    validate::validate(held, &steps)?;
    match waiting {
        Some(same) if same.hash == order.plan.hash => go_on_with(held, same, steps, order),
        waiting if is_so(host, &steps) => {
            close(held, waiting)?;
            Ok(Outcome::AlreadySo)
        }
        waiting => {
            let number = waiting.as_ref().map_or(number, |waiting| waiting.number + 1);
            close(held, waiting)?;
            let generation = begin(host, number, steps, order);
            run::run(held, generation, order.allow_reboot)
        }
    }
}

fn begin(host: &HostRoot, number: u64, steps: Vec<Step>, order: &Order<'_>) -> Generation {
    Generation {
        layout: LAYOUT,
        number,
        hash: order.plan.hash.clone(),
        profile: order.profile.clone(),
        started: order.now.clone(),
        boot_id: boot_id(host),
        state: GenerationState::Running,
        run_from: 0,
        steps: steps.into_iter().map(|step| Entry::planned(step, order.cause)).collect(),
    }
}

/// A generation whose plan is no longer wanted stays as far as it came.
fn close(held: &Held, waiting: Option<Generation>) -> Result<(), StoreError> {
    let Some(mut waiting) = waiting else { return Ok(()) };
    waiting.state = GenerationState::Done;
    held.write_generation(&waiting)
}

fn go_on_with(
    held: &Held,
    mut generation: Generation,
    steps: Vec<Step>,
    order: &Order<'_>,
) -> Result<Outcome, ApplyError> {
    let boot = boot_id(held.host());
    let rebooted = generation.state != GenerationState::AwaitingReboot { boot_id: boot.clone() };
    for entry in generation.steps.iter_mut().filter(|entry| entry.is_reboot() && rebooted) {
        entry.state = EntryState::Done;
    }
    generation.steps.retain(|entry| !entry.is_reboot() || entry.state == EntryState::Done);
    generation.run_from = generation.steps.len();
    generation.steps.extend(steps.into_iter().map(|step| Entry::planned(step, order.cause)));
    generation.state = GenerationState::Running;
    generation.boot_id = boot;
    run::run(held, generation, order.allow_reboot)
}

/// Brings to its end what was cut off.
pub fn resume(held: &Held, allow_reboot: bool) -> Result<Resumed, ApplyError> {
    if let Some(rollback) = held.rollback()? {
        return Ok(Resumed::RolledBack(rollback::go_on(held, rollback)?));
    }
    let Some(mut generation) = held.generations()?.pop() else { return Ok(Resumed::Nothing) };
    let number = generation.number;
    match generation.state.clone() {
        GenerationState::Running => {
            after_a_power_cut(held.host(), &mut generation);
            Ok(Resumed::Finished(run::run(held, generation, allow_reboot)?))
        }
        GenerationState::Stopping { why } => {
            let remains = run::undo(held, &mut generation, &why);
            Ok(Resumed::Undone { generation: number, why, remains })
        }
        GenerationState::AwaitingReboot { boot_id: awaited } => {
            Ok(Resumed::AwaitingReboot { generation: number, rebooted: awaited != boot_id(held.host()) })
        }
        GenerationState::Done | GenerationState::Stopped { .. } | GenerationState::RolledBack => {
            Ok(Resumed::Nothing)
        }
    }
}

/// What only the running kernel knew was lost with it, and is done again.
fn after_a_power_cut(host: &HostRoot, generation: &mut Generation) {
    let now = boot_id(host);
    if generation.boot_id == now {
        return;
    }
    generation.boot_id = now;
    let run = generation.run_from..;
    for entry in
        generation.steps[run].iter_mut().filter(|entry| entry.state == EntryState::Done && !entry.is_reboot())
    {
        if !hands::of(&entry.step.action).holds(host).unwrap_or(false) {
            entry.state = EntryState::Intended;
        }
    }
}

/// The steps up to the plan's reboot, itself included; all where it has none.
fn before_reboot(plan: &Plan) -> Vec<Step> {
    let end = plan.steps.iter().position(|step| matches!(step.action, Action::Reboot(_)));
    let steps = end.map_or(&plan.steps[..], |end| &plan.steps[..=end]);
    steps.iter().filter(|step| end.is_none() || !step.after_reboot).cloned().collect()
}

fn is_so(host: &HostRoot, steps: &[Step]) -> bool {
    steps.iter().all(|step| hands::of(&step.action).holds(host).unwrap_or(false))
}

fn boot_id(host: &HostRoot) -> String {
    host.text(&HostPath::fixed("/proc/sys/kernel/random/boot_id")).unwrap_or_default()
}
