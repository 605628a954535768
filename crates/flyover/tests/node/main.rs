//! `flyover node` as people and programs meet it: what is read, what is refused, what is written for others.
//!
//! Hosts are captured ones, so that nothing depends on the machine; what changes a host runs in `root`, in a mount
//! and network namespace of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod emit;
mod look;
mod refuse;
mod root;
mod run;
