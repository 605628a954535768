//! Flyover in a real Kubernetes cluster, as an administrator meets it: installed, used, upgraded under load, hurt, and
//! removed without a trace.
//!
//! By `make test-cluster`, which also writes the images.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod fastpath;
mod load;
mod resilience;
mod stage;
mod switch;
mod traces;
mod ways;
