//! A switch in user space on this host.
//!
//! [`facts`] reads what a plan needs to know of it. [`Switch`] plans, applies, verifies and goes back, by the spine that
//! the node has. [`truth`] is whether packets can pass: what the database says, held against what the datapath does.
//!
//! Invariant: looking changes nothing. What the database calls well is believed only where the datapath agrees.

mod facts;
mod switch;
pub mod truth;

pub use facts::facts;
pub use switch::{Applied, Switch, SwitchError, View};
