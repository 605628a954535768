//! The hands: one for each kind of action, and nothing else changes a host.
//!
//! Invariants: a hand reads what undoing needs before anything changes, and gives it as an action too. Acting again
//! on what was done half brings it to the same end, so that an action can be repeated after a crash. What was done is
//! judged by what the kernel or the service manager then shows, never by what they answered.

mod boot;
mod driver;
mod file;
mod hugepages;
mod module;
mod mount;
mod ovs;
mod reboot;
mod room;
mod sysctl;
mod unit;

use std::time::Duration;

use flyover_core::Action;

use crate::root::{HostError, HostRoot};

pub use boot::{Change, give_back, inverse};
pub(crate) use ovs::settle_starts;
pub use room::has_room;

/// How long a command may take that does no more than talk to the kernel or a service manager.
const QUICK: Duration = Duration::from_secs(30);

/// How long a command may take that reads all disks, stops services or starts them.
const SLOW: Duration = Duration::from_secs(180);

/// Brings one subject to one state.
pub trait Hand {
    /// Whether it can be done, as far as that can be told without changing anything.
    fn check(&self, host: &HostRoot) -> Result<(), HostError>;

    /// The state the subject has, as the action that would bring it back.
    fn observe(&self, host: &HostRoot) -> Result<Action, HostError>;

    /// Whether the subject is as the action wants it.
    fn holds(&self, host: &HostRoot) -> Result<bool, HostError>;

    /// Does it.
    fn act(&self, host: &HostRoot) -> Result<(), HostError>;
}

/// The hand for an action.
#[must_use]
pub fn of(action: &Action) -> &dyn Hand {
    match action {
        Action::Hugepages(action) => action,
        Action::File(action) => action,
        Action::Mount(action) => action,
        Action::Sysctl(action) => action,
        Action::Module(action) => action,
        Action::Driver(action) => action,
        Action::Unit(action) => action,
        Action::BootArgs(action) => action,
        Action::OvsDaemons(action) => action,
        Action::OvsOption(action) => action,
        Action::OvsRestart(action) => action,
        Action::OvsBridge(action) => action,
        Action::OvsPort(action) => action,
        Action::Reboot(action) => action,
    }
}

/// Whether a subject is put back by what is done when all others are, which [`settle_starts`] does.
#[must_use]
pub(crate) fn is_undone_last(found: &Action) -> bool {
    matches!(found, Action::OvsRestart(_))
}

/// A refusal with something to do about it.
fn refused(what: impl Into<String>, hint: &str) -> HostError {
    HostError::Unsupported(format!("{}\n  hint: {hint}", what.into()))
}
