//! `flyover switch run` and the pods' annotations: against a real API server, whose programs take minutes to build.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../keeper/root/node.rs"]
#[expect(dead_code, reason = "what keeps the node's switch asks more of it")]
mod node;
mod publish;
mod server;
