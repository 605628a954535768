//! The bypass through everything that happens to a node: rules, pods and devices that change under traffic, agents
//! that die and come back, and what is left when it is turned off.
//!
//! Invariant: a test that says packets were fast read so in the books; one that waits for a time prints what it
//! measured, and asserts what is promised of a median, or a multiple of it, for the machine may be busy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod root;
