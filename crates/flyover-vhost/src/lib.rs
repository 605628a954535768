//! A vhost-user front end: what a pod or a virtual machine is to a switch in user space, without DPDK and without a guest.
//!
//! [`port`] sends and receives frames through a port of the switch. [`probe`] adds two ports for a moment and measures what
//! passes between them. [`broker`] stands between a pod that connects and a switch that connects, and outlives the switch.
//!
//! Invariants: what the other side wrote (messages, indices, lengths) is checked before it is used, and a side that writes
//! nonsense is cut off; nothing here waits without a limit but the broker, which is there to wait.

pub mod broker;
mod error;
mod memory;
pub mod port;
pub mod probe;
mod ring;

pub use error::VhostError;
pub use port::{Features, Port, Settings};
