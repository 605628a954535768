//! Nouns with a grammar: the words every other room speaks.
//!
//! Invariant: nothing here does I/O, reads the clock or the environment, or is async. A string with a
//! grammar becomes a type at the edge of the program, and nobody asks again whether it is well formed.

mod action;
mod bytes;
mod cidr;
pub mod facts;
mod flow;
mod ifname;
mod mac;
mod plan;

pub use action::{
    Action, BootArgs, BootState, DriverOf, FileAt, FileState, Hugepages, Link, Module, MountAt, Reboot, Subject, Sysctl,
    UnitState,
};
pub use bytes::Bytes;
pub use cidr::{BadIpCidr, IpCidr};
pub use flow::{BadFlow, Flow, Proto};
pub use ifname::{BadIfName, BadIfPattern, IfName, IfPattern};
pub use mac::{BadMacAddr, MacAddr};
pub use plan::{Disturbance, Drift, Plan, PlanHash, Refusal, RefusalKind, Step, Wish};
