//! Asks every hand, and the journal's disk, before anything is changed.

use flyover_core::{Action, Step};

use super::ApplyError;
use crate::hands::{self, has_room};
use crate::store::Held;

/// How often a step is in its generation's document: as it is, as found, as left, and in a rollback.
const COPIES: u64 = 6;

pub(super) fn validate(held: &Held, steps: &[Step]) -> Result<(), ApplyError> {
    let size = serde_json::to_vec(steps).map_or(0, |written| written.len() as u64);
    has_room(held.host(), &held.directory(), size * COPIES).map_err(ApplyError::NoJournal)?;
    for (at, step) in steps.iter().enumerate() {
        let subject = step.action.subject();
        let hand = hands::of(&step.action);
        if !steps[..at].iter().any(|earlier| prepares(&earlier.action, &step.action)) {
            hand.check(held.host())
                .map_err(|source| ApplyError::Refused { subject: subject.clone(), source })?;
        }
    }
    Ok(())
}

/// Whether an earlier step makes what a later one needs: before it asking is too early, and as long as the later one
/// is not undone it stays.
pub(crate) fn prepares(earlier: &Action, later: &Action) -> bool {
    match (earlier, later) {
        (Action::File(file), Action::Unit(unit)) => {
            file.file.is_some()
                && file.path.as_path().file_name().is_some_and(|name| name == unit.unit.as_str())
        }
        (Action::Module(module), Action::Driver(_) | Action::Sysctl(_)) => module.loaded,
        // Before its daemons run, a switch cannot be asked.
        (Action::OvsDaemons(daemons), later) => daemons.running && is_of_a_switch(later),
        (Action::OvsOption(_) | Action::OvsRestart(_), Action::OvsRestart(_)) => true,
        (Action::OvsBridge(bridge), Action::OvsPort(port)) => {
            bridge.bridge.is_some() && (&bridge.switch, &bridge.name) == (&port.switch, &port.bridge)
        }
        (Action::OvsRestart(_), Action::OvsPort(_)) => true,
        _ => false,
    }
}

fn is_of_a_switch(action: &Action) -> bool {
    matches!(action, Action::OvsOption(_) | Action::OvsRestart(_) | Action::OvsBridge(_) | Action::OvsPort(_))
}
