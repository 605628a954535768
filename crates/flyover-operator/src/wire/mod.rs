//! Objects as the operator keeps them: of thousands of nodes only what is asked for is read, and only that is held.
//!
//! Invariant: what is not read here is not compared either, so a node's heartbeat is no change; nor is a sign of life of its agent.

mod meta;
mod node;
mod resource;
mod state;

pub(crate) use node::{Node, NodeWire};
pub(crate) use resource::{Resource, ResourceWire, reference};
pub(crate) use state::{State, StateWire};
