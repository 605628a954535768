//! Thinks: from a spec and the facts of a host to what is to be done on it.
//!
//! `settle` decides everything a profile leaves open, or refuses; `wishes` says what must then be so; `plan` compares
//! that with what was observed and with what earlier plans left, and says what to do; `verify` names what is not so.
//! Of many nodes, `placement` decides which resource each is to have, and `rollout` when.
//!
//! Invariants: no I/O, no clock, no environment, nothing async; the same input gives the same plan.

mod by_hand;
mod describe;
pub mod placement;
mod plan;
pub mod rollout;
mod settle;
mod settled;
pub mod shell;
pub mod switch;
pub mod units;
mod verify;
mod wish;

pub use by_hand::by_hand;
pub use describe::state;
pub use plan::{Observations, Observed, hash, plan, plan_wishes};
pub use settle::{recall, settle, settle_elsewhere};
pub use settled::{CpuChoice, DriverChoice, OwnFile, Pool, Settled};
pub use verify::{unfulfilled, verify};
pub use wish::wishes;
