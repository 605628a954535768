//! The way back for what is wished no longer.

use std::cmp::Reverse;

use flyover_core::facts::HostFacts;
use flyover_core::{Action, BootState, Disturbance, Owned, Step, Subject, Wish};

use super::{Draft, subjects};
use crate::by_hand;

impl Draft<'_> {
    /// Steps back for all that is owned and not wished.
    pub(super) fn put_back(&mut self, wishes: &[Wish], facts: &HostFacts) {
        let wished = subjects(wishes);
        let mut gone: Vec<(&Subject, &Owned)> =
            self.ledger.iter().filter(|(s, _)| !wished.contains(s)).collect();
        gone.sort_by_key(|(subject, owned)| Reverse((rank(&owned.wished), (*subject).clone())));
        for (subject, owned) in gone {
            self.step_back(subject, owned, "no longer in the profile");
            self.note_running_args(owned, facts);
        }
    }

    /// An edit of the boot loader's configuration is made on what was found first: what the former edit had added and
    /// the new one does not ask for would stay else.
    pub(super) fn replace_boot_args(&mut self, wishes: &[Wish]) {
        let Some(wish) = wishes.iter().find(|wish| matches!(wish.action, Action::BootArgs(_))) else {
            return;
        };
        let subject = wish.action.subject();
        if let Some(owned) = self.ledger.get(&subject).filter(|owned| owned.wished != wish.action) {
            self.step_back(&subject, owned, "the profile asks for other arguments");
        }
    }

    fn step_back(&mut self, subject: &Subject, owned: &Owned, why: &str) {
        let Some(observed) = self.observed.get(subject) else {
            self.notes.push(format!("{subject} was not looked at, so it stays as it is"));
            return;
        };
        if observed.found.same_state(&owned.found) {
            return;
        }
        if !owned.left.stays(&observed.found) {
            self.notes.push(format!("{subject} was changed since Flyover set it; it stays as it is"));
            return;
        }
        self.going_back.insert(subject.clone(), owned.found.clone());
        self.steps.push(Step {
            action: owned.found.clone(),
            found: Some(observed.found.clone()),
            why: why.to_owned(),
            by_hand: by_hand(&owned.found, Some(&observed.found)),
            disturbs: disturbs(&owned.found),
            after_reboot: false,
        });
    }

    fn note_running_args(&mut self, owned: &Owned, facts: &HostFacts) {
        let Action::BootArgs(boot) = &owned.wished else { return };
        let BootState::Edited(edit) = &boot.state else { return };
        let running: Vec<String> =
            edit.set.iter().filter(|arg| facts.boot.args.satisfies(arg)).map(ToString::to_string).collect();
        if !running.is_empty() {
            self.notes.push(format!("the running kernel keeps {} until the next boot", running.join(" ")));
        }
    }
}

/// The order in which kinds of actions are done; going back is the reverse.
fn rank(action: &Action) -> u8 {
    match action {
        Action::File(_) => 0,
        Action::Module(_) => 1,
        Action::Sysctl(_) => 2,
        Action::BootArgs(_) => 3,
        Action::Hugepages(_) => 4,
        Action::Mount(_) => 5,
        Action::Driver(_) => 6,
        Action::Unit(_) => 7,
        Action::Reboot(_) => 8,
    }
}

/// What setting the subject of an action disturbs.
pub(crate) fn disturbs(action: &Action) -> Disturbance {
    match action {
        Action::Driver(_) => Disturbance::Link,
        Action::Unit(_) => Disturbance::Service,
        Action::Sysctl(_) => Disturbance::Workloads,
        Action::Reboot(_) => Disturbance::Reboot,
        _ => Disturbance::None,
    }
}
