//! Open vSwitch from outside: its database by OVSDB (RFC 7047), its daemons by unixctl.
//!
//! [`wire`] takes the stream apart, [`session`] knows who asked what; neither does I/O. [`client`] is a connection that
//! waits, for programs that live for one change; [`cache`] holds tables for those that stay, and the
//! feature `live` has the connection for it. [`transaction`] is what is asked, [`datum`] what columns hold, [`tables`] the rows
//! we touch, [`schema`] whether a server has them. [`unixctl`] asks daemons for what no table tells, [`control`] finds them, and
//! [`appctl`] reads what they print.
//!
//! Invariants: no process is started, so no name is ever taken for an option; a transaction that did not do all it was
//! to do is an error, whatever the server calls it.

pub mod appctl;
pub mod cache;
pub mod client;
pub mod control;
pub mod datum;
mod error;
mod line;
#[cfg(feature = "live")]
pub mod live;
pub mod schema;
pub mod session;
pub mod tables;
pub mod transaction;
pub mod unixctl;
pub mod wire;

pub use client::Client;
pub use datum::{Atom, Datum, Row, Uuid};
pub use error::OvsError;
pub use schema::Schema;
pub use transaction::{Committed, Condition, Mutation, Rows, Transaction};

/// The database of a switch.
pub const OPEN_VSWITCH: &str = "Open_vSwitch";
