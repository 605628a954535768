//! The operator against a real API server. Only the nodes are simulated: what an agent would write, a task writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod definitions;
mod drain;
mod faults;
mod fleet;
mod leave;
mod rights;
mod rollout;
mod server;
mod stage;
mod tie;
