//! Rigs that tests are built on: labs, packets, captures, switches, clusters, virtual machines.
//!
//! Invariant: a rig that cannot be built fails its test; nothing skips itself.

pub mod apt;
pub mod cluster;
pub mod hosts;
pub mod hugepages;
pub mod model;
pub mod ovs;
pub mod process;
pub mod vm;
