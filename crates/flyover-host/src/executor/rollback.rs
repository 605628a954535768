//! Puts back what generations changed, the last touched first; what others stand upon comes first and goes last.
//!
//! Invariant: what a person changed since is kept and named. Only the kernel's command line is taken apart: ours goes,
//! theirs stays.

use std::collections::BTreeSet;

use flyover_core::{
    Action, BootArgs, BootState, FileAt, HostPath, Module, MountAt, OvsBridge, OvsDaemons, Subject, UnitState,
};
use serde::Serialize;

use super::run::{NEEDED, chain, last};
use super::validate::prepares;
use super::{NotUndone, reboot};
use crate::hands;
use crate::journal::{Cause, EntryState, Generation, GenerationState, Item, ItemState, LAYOUT, Rollback};
use crate::root::{HostError, HostRoot};
use crate::store::{Held, StoreError};

/// What a rollback did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The last generation that stands.
    pub to: u64,
    /// Subjects that are as they were found.
    pub undone: Vec<Subject>,
    /// Subjects of which only ours was taken out, for others had changed them too.
    pub mixed: Vec<Subject>,
    /// Subjects that are as others have them since.
    pub kept: Vec<Kept>,
    /// Subjects that could not be put back; the next rollback tries again.
    pub failed: Vec<NotUndone>,
    /// Whether the running kernel still has the old command line's successor, until a reboot.
    pub needs_reboot: bool,
    /// What of ours stays on the host.
    pub remains: Vec<HostPath>,
}

/// A subject that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Which.
    pub subject: Subject,
    /// What it had been before us.
    pub found: Action,
    /// How we left it.
    pub left: Option<Action>,
    /// How it is.
    pub now: Action,
}

/// Rolls back to a generation; zero is the host as it was found.
pub fn roll_back(held: &Held, to: u64) -> Result<Report, StoreError> {
    if let Some(under_way) = held.rollback()? {
        let report = go_on(held, under_way)?;
        if !report.failed.is_empty() || report.to <= to {
            return Ok(report);
        }
    }
    let generations = held.generations()?;
    let goes =
        |generation: &&Generation| generation.number > to && generation.state != GenerationState::RolledBack;
    let numbers: Vec<u64> = generations.iter().filter(goes).map(|generation| generation.number).collect();
    if numbers.is_empty() {
        return Ok(Report { to, remains: remains(held.host()), ..Report::default() });
    }
    let items = items(generations.iter().filter(goes));
    let rollback = Rollback { layout: LAYOUT, to, numbers, items };
    held.write_rollback(Some(&rollback))?;
    go_on(held, rollback)
}

/// Each subject once, in reverse order of its last touch.
fn items<'a>(generations: impl Iterator<Item = &'a Generation>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for entry in generations.flat_map(Generation::standing) {
        let Some(found) = entry.origin() else { continue };
        let before =
            items.iter().position(|item| item.found.subject() == entry.subject()).map(|at| items.remove(at));
        let (found, mut wished, mixed) = match before {
            None => (found, Vec::new(), false),
            // Somebody changed it between two changes of ours: theirs is what goes back.
            Some(before) if !before.left.as_ref().is_none_or(|left| left.stays(&found)) => {
                match (before.found, entry.cause) {
                    (first @ Action::BootArgs(_), _) => (first, before.wished, true),
                    (first, Cause::Drift) => (first, before.wished, before.mixed),
                    (_, Cause::Asked) => (found, Vec::new(), false),
                }
            }
            Some(before) => (before.found, before.wished, before.mixed),
        };
        wished.push(entry.step.action.clone());
        let left = entry.left.clone().filter(|_| entry.state == EntryState::Done);
        items.push(Item { found, left, wished, mixed, state: ItemState::Planned });
    }
    // What we left as it had been found is not ours, whatever it is now: a unit, say, whose file went after it. Only
    // directories may be left of it.
    let is_ours = |item: &Item| item.left.as_ref().is_none_or(|left| !left.same_state(&item.found));
    items.retain(|item| is_ours(item) || !made_for(&item.found).is_empty());
    items.reverse();
    // A later generation may have touched a file again and not its unit, or started daemons again.
    items.sort_by_key(|item| order(&item.found));
    items
}

/// What others stand upon comes back before them, and goes after them.
fn order(found: &Action) -> u8 {
    match found {
        Action::File(FileAt { file: Some(_), .. })
        | Action::Module(Module { loaded: true, .. })
        | Action::OvsBridge(OvsBridge { bridge: Some(_), .. })
        | Action::OvsDaemons(OvsDaemons { running: true, .. }) => 0,
        Action::File(_) | Action::Module(_) | Action::OvsBridge(_) => 2,
        Action::OvsDaemons(_) => 3,
        _ => 1,
    }
}

/// Directories that were not there, and were made for this.
fn made_for(found: &Action) -> &[HostPath] {
    match found {
        Action::File(FileAt { dirs, .. })
        | Action::Mount(MountAt { dirs, .. })
        | Action::Unit(UnitState { dirs, .. }) => dirs,
        _ => &[],
    }
}

/// Takes away directories that something else kept when what they were made for went.
fn sweep(host: &HostRoot, items: &[Item]) -> Result<(), HostError> {
    let made: BTreeSet<&HostPath> = items.iter().flat_map(|item| made_for(&item.found)).collect();
    // What is below a directory sorts behind it.
    made.into_iter()
        .rev()
        .filter(|directory| host.exists(directory))
        .try_for_each(|directory| host.remove_empty_directory(directory))
}

/// Does what is left of a rollback.
pub(super) fn go_on(held: &Held, mut rollback: Rollback) -> Result<Report, StoreError> {
    let mut failed = Vec::new();
    let mut stuck = Vec::new();
    for at in 0..rollback.items.len() {
        let subject = rollback.items[at].found.subject();
        let needed =
            rollback.items[at].wished.iter().any(|wish| stuck.iter().any(|other| prepares(wish, other)));
        let ended = if needed {
            Err(NEEDED.to_owned())
        } else {
            put_back(held, &mut rollback, at).map_err(|e| chain(&e))
        };
        if let Err(why) = ended {
            failed.push(NotUndone { subject, why });
            stuck.extend(rollback.items[at].wished.clone());
        }
    }
    let undone = |item: &&Item| matches!(item.state, ItemState::Undone { .. });
    failed.extend(last(held, rollback.items.iter().filter(undone).map(|item| &item.found)));
    if failed.is_empty() {
        sweep(held.host(), &rollback.items)?;
        finish(held, &rollback)?;
    }
    Ok(report(held.host(), &rollback, failed))
}

fn put_back(held: &Held, rollback: &mut Rollback, at: usize) -> Result<(), StoreError> {
    let host = held.host();
    if rollback.items[at].state == ItemState::Planned {
        rollback.items[at].state = judge(host, &rollback.items[at])?;
        held.write_rollback(Some(rollback))?;
    }
    let item = &rollback.items[at];
    let ItemState::Intended { mixed } = item.state else { return Ok(()) };
    match &item.found {
        Action::BootArgs(found) if mixed => take_out(host, found, &item.wished)?,
        found if hands::is_undone_last(found) => {}
        found => hands::of(found).act(host)?,
    }
    tracing::info!(subject = %item.found.subject(), "put back");
    rollback.items[at].state = ItemState::Undone { mixed };
    held.write_rollback(Some(rollback))
}

/// What is to become of a subject: it is as we left it, as it was before us, or as somebody else wants it.
fn judge(host: &HostRoot, item: &Item) -> Result<ItemState, HostError> {
    // Nobody else's wish can be in that.
    if hands::is_undone_last(&item.found) {
        return Ok(ItemState::Intended { mixed: false });
    }
    let now = hands::of(&item.found).observe(host)?;
    Ok(match &item.left {
        // Cut off in its middle: what is there now is nobody's wish.
        None => ItemState::Intended { mixed: item.mixed },
        Some(_) if item.mixed => ItemState::Intended { mixed: true },
        Some(left) if left.stays(&now) && !left.same_state(&item.found) => {
            ItemState::Intended { mixed: false }
        }
        Some(left) if item.found.same_state(&now) || left.same_state(&item.found) => {
            ItemState::Undone { mixed: false }
        }
        Some(_) if matches!(now, Action::BootArgs(_)) => ItemState::Intended { mixed: true },
        Some(_) => ItemState::Kept { now: Box::new(now) },
    })
}

fn take_out(host: &HostRoot, found: &BootArgs, wished: &[Action]) -> Result<(), HostError> {
    let BootState::Files(files) = &found.state else {
        return hands::of(&Action::BootArgs(found.clone())).act(host);
    };
    let edits: Vec<_> = wished
        .iter()
        .filter_map(|action| match action {
            Action::BootArgs(BootArgs { state: BootState::Edited(edit), .. }) => Some(edit),
            _ => None,
        })
        .collect();
    hands::give_back(host, &found.loader, &hands::inverse(&found.loader, &edits, files))
}

/// The oldest first: as long as one stands, the rollback's own document says what became of each subject.
fn finish(held: &Held, rollback: &Rollback) -> Result<(), StoreError> {
    let mut hashes = Vec::new();
    for mut generation in
        held.generations()?.into_iter().filter(|each| rollback.numbers.contains(&each.number))
    {
        for entry in generation
            .steps
            .iter_mut()
            .filter(|entry| entry.found.is_some() && entry.state != EntryState::Undone)
        {
            let item = rollback.items.iter().find(|item| item.found.subject() == entry.subject());
            entry.state = match item.map(|item| &item.state) {
                Some(ItemState::Kept { now }) => EntryState::Kept { now: now.clone() },
                _ => EntryState::Undone,
            };
        }
        generation.state = GenerationState::RolledBack;
        held.write_generation(&generation)?;
        hashes.push(generation.hash);
    }
    reboot::forget(held, &hashes)?;
    held.write_rollback(None)
}

fn report(host: &HostRoot, rollback: &Rollback, failed: Vec<NotUndone>) -> Report {
    let mut report = Report { to: rollback.to, failed, remains: remains(host), ..Report::default() };
    for item in &rollback.items {
        let subject = item.found.subject();
        match &item.state {
            ItemState::Undone { mixed } => {
                report.needs_reboot |= matches!(item.found, Action::BootArgs(_));
                if *mixed { &mut report.mixed } else { &mut report.undone }.push(subject);
            }
            ItemState::Kept { now } => report.kept.push(Kept {
                subject,
                found: item.found.clone(),
                left: item.left.clone(),
                now: (**now).clone(),
            }),
            ItemState::Planned | ItemState::Intended { .. } => {}
        }
    }
    report
}

fn remains(host: &HostRoot) -> Vec<HostPath> {
    ["/var/lib/flyover"].map(HostPath::fixed).into_iter().filter(|path| host.exists(path)).collect::<Vec<_>>()
}
