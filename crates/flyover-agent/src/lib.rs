//! The node's part: makes the node what the operator wrote down for it, and tells what became of it.
//!
//! [`follow`] hears what the node is to have. [`lane`] decides what follows from that and from what is found, and does it,
//! one lane after the other. [`status`] tells of it, at a pace the API server can bear. [`known`] keeps what was heard on the
//! disk, so that all of it goes on while nobody can be asked.
//!
//! Invariants: an agent reads and writes the `NodeState` of its own node only. What it did is in the journals of the lanes
//! and in the kernel, not in its memory: it may be killed at any time, and its end changes nothing. Only a wish to take
//! back takes anything away.

mod agent;
mod client;
mod cni;
mod devices;
mod facts;
mod flows;
mod follow;
mod foresee;
pub mod hostns;
mod known;
pub mod lane;
mod options;
mod pods;
mod status;
mod stay;

pub use agent::{Agent, AgentError};
pub use cni::Plugin;
pub use options::{Options, run};

/// Where the agent writes down what it has to remember.
const DIRECTORY: &str = "/var/lib/flyover/agent";
