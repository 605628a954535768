//! The plugin as a runtime meets it: a process with an environment and an input, beside a real switch.
//!
//! Invariant: everything a test makes lies in namespaces and directories of its own, so that nothing of the machine is touched
//! and nothing outlives it. What needs root is in `root`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod plain;
mod plugin;

mod root {
    //! Tests that need namespaces, mounts and a switch.

    mod conformance;
    mod crash;
    mod deep;
    mod defects;
    mod documents;
    mod doubt;
    mod faults;
    mod hostile;
    mod modes;
    mod reboot;
    mod repair;
    mod rig;
    mod storm;
    mod stubborn;
}
