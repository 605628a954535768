//! A pod's network namespace, and why its flows might not be bypassed.
//!
//! FastPath hands packets straight to the pod's device. What the pod itself does with packets before its sockets see
//! them, rules, forwarding, BPF programs, a virtual machine behind a bridge, must not be skipped or surprised.
//!
//! Invariant: [`reasons_to_stay_out`] does no I/O.

mod facts;
mod reason;

pub use facts::{Facts, Forwarding, PodError, Program};
pub use reason::{Reason, reasons_to_stay_out};

#[cfg(test)]
mod root;
