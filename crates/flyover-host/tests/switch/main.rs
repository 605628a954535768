//! The hands of a switch on real daemons, with a crash or a failure at every change.
//!
//! What needs no network device runs as any user, on a database alone; what needs one runs in `root`, in a network namespace
//! of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod options;
mod root;
mod world;
