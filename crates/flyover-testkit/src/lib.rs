//! Rigs that tests are built on: labs, packets, captures, switches, virtual machines.
//!
//! Invariant: a rig that cannot be built fails its test; nothing skips itself.

pub mod hosts;
pub mod model;
pub mod ovs;
pub mod process;
pub mod vm;
