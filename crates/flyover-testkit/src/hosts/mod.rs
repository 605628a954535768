//! Hosts that nobody has on the table: trees for tests of facts, plans and hands.
//!
//! A [`HostTreeBuilder`] writes what sysfs, procfs and the distribution show of a host; [`FIXTURES`] are hosts that
//! plans must come to terms with, by name.
//!
//! Invariant: a fixture is a function of its name, so its snapshots change only when it does.

mod builder;
mod devices;
mod fixtures;
mod links;
mod systems;
mod topology;
mod unpacked;

pub use builder::HostTreeBuilder;
pub use devices::Function;
pub use fixtures::{
    FIXTURES, amd_nps4, arm64, isolated, laptop, named, offline_cpus, one_node_vm, snc2, two_socket_smt,
};
pub use links::Netdev;
pub use systems::System;
pub use topology::{Maker, Numbering, Topology};
pub use unpacked::Unpacked;
