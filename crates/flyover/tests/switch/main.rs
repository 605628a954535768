//! `flyover switch` as people and programs meet it, as far as no switch runs: what it needs, what is imported, what is
//! linted.
//!
//! Hosts are captured ones, so that nothing depends on the machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod explain;
mod gc;
mod import;
mod lint;
mod root;
mod run;
mod size;
