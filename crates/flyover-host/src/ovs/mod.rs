//! A switch as it is found: its database, its daemons, what they wrote to their log.
//!
//! Invariant: nothing here changes a switch. A daemon is known by who listens on its control socket, never by a file of
//! its number alone: such files outlive their daemons, and in another namespace the number is another.

mod daemon;
mod database;
mod log;
mod pending;
mod record;
mod states;

use flyover_ovs::OvsError;

pub(crate) use daemon::started_as;
pub use daemon::{Daemon, ovsdb_server, vswitchd};
pub use database::{Snapshot, connect, snapshot, snapshot_in_parts};
pub use log::LogMark;
pub(crate) use pending::outwait;
pub use pending::{PENDING, is_pending, moment, needs_restart};
pub(crate) use record::RECORD;
pub use record::Record;
pub use states::{all_of_bridge, all_of_port};
pub(crate) use states::{bridge_state, port_state};

use crate::root::HostError;

/// What failed, with what the switch said.
pub(crate) fn failed(what: impl Into<String>) -> impl FnOnce(OvsError) -> HostError {
    let what = what.into();
    move |source| HostError::Switch { what, source: Box::new(source) }
}
