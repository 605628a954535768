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
pub const MANAGER: &str = "flyover-operator";
/// On a node: for whom we cordoned it.
pub const CORDONED_FOR: &str = "flyover.dev/cordoned-for";
/// On a resource: nodes that its deletion does not wait for.
pub const ABANDON: &str = "flyover.dev/abandon-nodes";
/// Holds a resource until its nodes are clean.
pub const FINALIZER: &str = "flyover.dev/clean-nodes";
/// Where Flyover's own things are.
pub const NAMESPACE: &str = "flyover-system";
