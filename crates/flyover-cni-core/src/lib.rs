//! What the CNI plugin of the userspace switch does.
//!
//! [`request`] and [`netconf`] are what the runtime asks, [`node`] what the administrator allows. [`lot`] decides all that an
//! ADD will make, [`state`] writes it down; [`sockets`], [`ipam`], [`switch`], [`devinfo`] make it, [`teardown`] takes it away.
//! [`verbs`] put these together, [`reconcile`] finds what was left behind by what died in between, [`repair`] makes again
//! what others took away.
//!
//! Invariants: what can be refused is refused before anything changes; what is changed was written down before; nothing is
//! changed that does not bear the attachment's own name.

pub mod broker;
pub mod devinfo;
mod error;
pub mod failpoint;
pub mod files;
pub mod group;
pub mod ipam;
pub mod leave;
pub mod legacy;
pub mod log;
pub mod lot;
pub mod names;
pub mod netconf;
pub mod node;
pub mod plugin;
pub mod reconcile;
pub mod repair;
pub mod request;
pub mod result;
pub mod sockets;
pub mod state;
pub mod switch;
pub mod teardown;
pub mod verbs;
mod version;

pub use error::{CniError, Code};
pub use version::Version;
