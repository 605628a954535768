//! The operator against a real API server. Only the nodes are simulated: what an agent would write, a task writes.

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
