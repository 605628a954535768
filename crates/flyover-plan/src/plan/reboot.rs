//! Whether the running kernel's command line is what is wished, and the reboot where it is not.

use flyover_core::facts::HostFacts;
use flyover_core::{Action, ArgEdit, BootState, Disturbance, KernelArg, Reboot, Step, Wish};

use crate::by_hand;

/// The reboot that the wishes need, if the running kernel lacks an argument or has one too many.
pub(super) fn step(wishes: &[Wish], facts: &HostFacts) -> Option<Step> {
    let edit = wishes.iter().find_map(|wish| edit_of(&wish.action))?;
    let why = missing(edit, facts)?;
    let action = Action::Reboot(Reboot { why: why.clone() });
    Some(Step {
        by_hand: by_hand(&action, None),
        action,
        found: None,
        why,
        disturbs: Disturbance::Reboot,
        after_reboot: false,
    })
}

/// The edit, if the action is one of the command line.
pub(crate) fn edit_of(action: &Action) -> Option<&ArgEdit> {
    match action {
        Action::BootArgs(boot) => match &boot.state {
            BootState::Edited(edit) => Some(edit),
            BootState::Files(_) => None,
        },
        _ => None,
    }
}

/// What the running kernel's command line lacks of the edit, in words; none if nothing.
pub(crate) fn missing(edit: &ArgEdit, facts: &HostFacts) -> Option<String> {
    let running = &facts.boot.args;
    if running.fulfils(edit) {
        return None;
    }
    let absent: Vec<&str> =
        edit.set.iter().filter(|arg| !running.satisfies(arg)).map(KernelArg::raw).collect();
    let unwanted: Vec<&str> = running
        .iter()
        .filter(|arg| edit.unset.iter().any(|pattern| pattern.matches(arg)))
        .map(KernelArg::raw)
        .collect();
    Some(match (absent.is_empty(), unwanted.is_empty()) {
        (false, false) => {
            format!("the running kernel lacks {} and has {}", absent.join(" "), unwanted.join(" "))
        }
        (false, true) => format!("the running kernel lacks {}", absent.join(" ")),
        (true, false) => format!("the running kernel has {}", unwanted.join(" ")),
        // Each alone may be satisfied by a pool of another size; together they are not.
        (true, true) => {
            let all: Vec<&str> = edit.set.iter().map(KernelArg::raw).collect();
            format!("the running kernel was not started with {}", all.join(" "))
        }
    })
}
