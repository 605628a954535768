//! The way back for what is wished no longer.

use std::cmp::Reverse;

use flyover_core::facts::HostFacts;
use flyover_core::{
    Action, ArgEdit, ArgPattern, BootArgs, BootState, Disturbance, KernelArg, Owned, Step, Subject, Wish,
};

use super::reboot::edit_of;
use super::{Draft, subjects};
use crate::by_hand;

/// What stands on the arguments of a profile that are taken out of a configuration others have changed.
const ONLY_OURS: &str =
    "no longer in the profile; the boot configuration was changed since, so only ours is taken out";

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
    /// the new one does not ask for would stay else. Where others have changed the configuration since, as each update
    /// of the kernel does, it is made on theirs, and takes out what the former edit had added.
    pub(super) fn replace_boot_args(&mut self, wishes: &[Wish]) {
        let Some(wish) = wishes.iter().find(|wish| matches!(wish.action, Action::BootArgs(_))) else {
            return;
        };
        let subject = wish.action.subject();
        let ledger = self.ledger;
        let Some(owned) = ledger.get(&subject).filter(|owned| owned.wished != wish.action) else { return };
        if self.is_changed(&subject, owned) {
            self.taken_out = edit_of(&wish.action).map_or_else(Vec::new, |new| ours(owned, new));
        } else {
            self.step_back(&subject, owned, "the profile asks for other arguments");
        }
    }

    fn is_changed(&self, subject: &Subject, owned: &Owned) -> bool {
        self.observed.get(subject).is_some_and(|observed| {
            !observed.found.same_state(&owned.found) && !owned.left.stays(&observed.found)
        })
    }

    fn step_back(&mut self, subject: &Subject, owned: &Owned, why: &str) {
        let Some(observed) = self.observed.get(subject) else {
            self.notes.push(format!("{subject} was not looked at, so it stays as it is"));
            return;
        };
        if observed.found.same_state(&owned.found) {
            return;
        }
        if !self.is_changed(subject, owned) {
            self.going_back.insert(subject.clone(), owned.found.clone());
            self.steps.push(step(owned.found.clone(), &observed.found, why));
        } else if let Action::BootArgs(boot) = &owned.wished {
            self.steps.extend(taking_out(boot, owned).map(|action| step(action, &observed.found, ONLY_OURS)));
        } else {
            self.notes.push(format!("{subject} was changed since Flyover set it; it stays as it is"));
        }
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

fn step(action: Action, found: &Action, why: &str) -> Step {
    Step {
        by_hand: by_hand(&action, Some(found)),
        disturbs: disturbs(&action),
        action,
        found: Some(found.clone()),
        why: why.to_owned(),
        after_reboot: false,
    }
}

/// The edit that takes out of the command line what is ours, if anything is.
fn taking_out(boot: &BootArgs, owned: &Owned) -> Option<Action> {
    let unset = ours(owned, &ArgEdit::default());
    let state = BootState::Edited(ArgEdit { set: Vec::new(), unset });
    let action = Action::BootArgs(BootArgs { loader: boot.loader.clone(), state });
    edit_of(&action).is_some_and(|edit| !edit.unset.is_empty()).then_some(action)
}

/// What an edit has added and `new` does not keep. What stood there before is not ours.
fn ours(owned: &Owned, new: &ArgEdit) -> Vec<ArgPattern> {
    let Some(old) = edit_of(&owned.wished) else { return Vec::new() };
    let gone = old.set.iter().filter(|arg| !new.set.contains(arg) && !stood(&owned.found, arg));
    let patterns = gone.map(|arg| arg.raw().parse().expect("an argument is a pattern of itself"));
    patterns.filter(|pattern: &ArgPattern| !new.set.iter().any(|arg| pattern.matches(arg))).collect()
}

/// Whether an argument is a word of the files of a boot loader.
fn stood(found: &Action, arg: &KernelArg) -> bool {
    let Action::BootArgs(BootArgs { state: BootState::Files(files), .. }) = found else { return false };
    let texts = files.iter().filter_map(|at| at.file.as_ref()?.content.text());
    let lines = texts.flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split([' ', '\t', '"', '\''])).any(|word| word == arg.raw())
}

/// The order in which kinds of actions are done; going back is the reverse. A switch is restarted for its options in both
/// directions.
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
        Action::OvsDaemons(_) => 8,
        Action::OvsRestart(_) => 9,
        Action::OvsOption(_) => 10,
        Action::OvsBridge(_) => 11,
        Action::OvsPort(_) => 12,
        Action::Reboot(_) => 13,
    }
}

/// What setting the subject of an action disturbs.
pub(crate) fn disturbs(action: &Action) -> Disturbance {
    match action {
        Action::Driver(_) => Disturbance::Link,
        Action::Unit(_) => Disturbance::Service,
        Action::Sysctl(_) | Action::OvsDaemons(_) | Action::OvsRestart(_) | Action::OvsBridge(_) => {
            Disturbance::Workloads
        }
        Action::OvsPort(_) => Disturbance::Link,
        Action::Reboot(_) => Disturbance::Reboot,
        _ => Disturbance::None,
    }
}
