//! The operator against a real API server. Only the nodes are simulated: what an agent would write, a task writes.

mod definitions;
mod fleet;
mod rollout;
mod server;
mod stage;
