//! The cluster's part of Flyover: which node has what, and when.
//!
//! What is decided is decided in flyover-plan, on data; here is what feeds it with what the API server tells, carries out its acts
//! one by one, and tells people what became of them.
//!
//! Invariants: only who leads writes; what is written is believed at once, and never acted on from an older look; no node is
//! talked to.

mod drain;
mod engine;
mod events;
mod failure;
mod hands;
mod lease;
mod metrics;
mod process;
mod store;
mod watches;
mod wire;

pub use events::Reason;
pub use lease::LEASE;
pub use process::{Options, lead, run};

/// By what name the operator writes.
const MANAGER: &str = "flyover-operator";
