//! Thinks: from a spec and the facts of a host to what is to be done on it.
//!
//! Invariants: no I/O, no clock, no environment, nothing async; the same input gives the same plan.

mod settled;
pub mod units;

pub use settled::{CpuChoice, DriverChoice, OwnFile, Pool, Settled};
