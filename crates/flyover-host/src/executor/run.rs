//! Does the steps of a generation in order, and undoes them in reverse.

use flyover_core::Action;

use super::validate::prepares;
use super::{ApplyError, NotUndone, Outcome, StepError, reboot};
use crate::hands;
use crate::journal::{Entry, EntryState, Generation, GenerationState};
use crate::store::Held;

/// Why a subject is not put back although it could be.
pub(super) const NEEDED: &str = "what needs it could not be put back";

/// Does what is left of a generation.
pub(super) fn run(
    held: &Held,
    mut generation: Generation,
    allow_reboot: bool,
) -> Result<Outcome, ApplyError> {
    generation.state = GenerationState::Running;
    held.write_generation(&generation)?;
    for at in generation.run_from..generation.steps.len() {
        if generation.steps[at].state == EntryState::Done {
            continue;
        }
        if generation.steps[at].is_reboot() {
            return reboot::reboot(held, generation, at, allow_reboot);
        }
        if let Err(source) = step(held, &mut generation, at) {
            return Err(stop(held, generation, at, source));
        }
    }
    generation.state = GenerationState::Done;
    match (held.write_generation(&generation), generation.steps.len().checked_sub(1)) {
        (Err(source), Some(last)) => Err(stop(held, generation, last, source.into())),
        (written, _) => {
            written?;
            Ok(Outcome::Done { generation: generation.number })
        }
    }
}

fn stop(held: &Held, mut generation: Generation, at: usize, source: StepError) -> ApplyError {
    let subject = generation.steps[at].subject();
    let why = format!("failed to set {subject}: {}", chain(&source));
    tracing::warn!(%subject, why, "step failed; undoing the run");
    let remains = undo(held, &mut generation, &why);
    ApplyError::Stopped { subject, remains, source }
}

/// One step. Where it was cut off in its middle it is done again, and what was found stays what was found then.
fn step(held: &Held, generation: &mut Generation, at: usize) -> Result<(), StepError> {
    let host = held.host();
    let action = generation.steps[at].step.action.clone();
    let hand = hands::of(&action);
    if generation.steps[at].state == EntryState::Planned {
        hand.check(host)?;
        let found = hand.observe(host)?;
        let is_so = hand.holds(host)?;
        let entry = &mut generation.steps[at];
        entry.left = is_so.then(|| found.clone());
        entry.found = Some(found);
        entry.state = if is_so { EntryState::Done } else { EntryState::Intended };
        held.write_generation(generation)?;
        if is_so {
            return Ok(());
        }
    }
    hand.act(host)?;
    if !hand.holds(host)? {
        return Err(StepError::NoEffect);
    }
    generation.steps[at].left = Some(hand.observe(host)?);
    generation.steps[at].state = EntryState::Done;
    held.write_generation(generation)?;
    Ok(())
}

/// Undoes what the run did, in reverse, and goes on where something cannot be undone: that is told.
pub(super) fn undo(held: &Held, generation: &mut Generation, why: &str) -> Vec<NotUndone> {
    let (mut remains, mut stuck) = (Vec::new(), Vec::new());
    let journal = |generation: &mut Generation, state: GenerationState| {
        generation.state = state;
        // A disk that takes no journal any more is no reason to leave the host half changed.
        if let Err(e) = held.write_generation(generation) {
            tracing::warn!(error = chain(&e), "journal not written");
        }
    };
    journal(generation, GenerationState::Stopping { why: why.to_owned() });
    for at in (generation.run_from..generation.steps.len()).rev() {
        let entry = &generation.steps[at];
        let Some(found) = entry.found.clone() else { continue };
        let unchanged = entry.left.as_ref().is_some_and(|left| left.same_state(&found));
        match entry.state {
            EntryState::Intended => {}
            EntryState::Done if !unchanged => {}
            _ => continue,
        }
        let needed = stuck.iter().any(|other| prepares(&entry.step.action, other));
        let ended = if needed {
            Err(NEEDED.to_owned())
        } else if hands::is_undone_last(&found) {
            Ok(())
        } else {
            hands::of(&found).act(held.host()).map_err(|e| chain(&e))
        };
        match ended {
            Ok(()) => {
                generation.steps[at].state = EntryState::Undone;
                journal(generation, GenerationState::Stopping { why: why.to_owned() });
            }
            Err(why) => {
                remains.push(NotUndone { subject: entry.subject(), why });
                stuck.push(entry.step.action.clone());
            }
        }
    }
    remains.extend(last(held, generation.steps[generation.run_from..].iter().filter_map(of_undone)));
    journal(generation, GenerationState::Stopped { why: why.to_owned() });
    remains
}

fn of_undone(entry: &Entry) -> Option<&Action> {
    entry.found.as_ref().filter(|_| entry.state == EntryState::Undone)
}

/// What comes when all else was put back.
pub(super) fn last<'a>(held: &Held, put_back: impl Iterator<Item = &'a Action>) -> Vec<NotUndone> {
    let failed = hands::settle_starts(held.host(), put_back);
    failed
        .into_iter()
        .map(|(action, error)| NotUndone { subject: action.subject(), why: chain(&error) })
        .collect()
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
