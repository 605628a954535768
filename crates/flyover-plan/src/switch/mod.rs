//! A switch in user space: from its spec and the facts of host and switch to what it needs and what is to be done.
//!
//! `size` computes memory and processors, `settle` decides all else or refuses, `wishes` says what must then be so.
//!
//! Invariants: as the whole room's; every bit of a mask and every MiB has its reason; what is explicit wins, and is
//! checked against the same arithmetic.
//! Sources: OVS lib/netdev-dpdk.c and vswitchd/vswitch.xml; DPDK lib/mempool.

mod at;
mod bridges;
mod extra;
mod fold;
pub mod import;
pub mod lint;
mod memory;
pub mod mempool;
mod options;
mod pages;
mod pmd;
mod pool;
mod ports;
mod release;
mod runtime;
mod settle;
mod settled;
mod sizing;
mod uplinks;
mod wish;

pub use at::{UNITS, at};
pub use pool::{adjusted_mtu, buffer_bytes, objects_of_port, objects_shared};
pub use release::Release;
pub use settle::{settle, settle_for, size};
pub use settled::{BridgeChoice, OptionChoice, PortChoice, SettledSwitch};
pub use sizing::{MemPool, MemorySizing, Model, NodeMemory, Pages, Part, PmdCore, PmdSizing, Sizing};
pub use wish::wishes;
