//! `flyover switch run`: pods stay, and what is taken from under them is put back.
//!
//! Switches are private ones, in a folder and a namespace of the test's own; pods are sockets of the test's own process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod exposition;

mod root {
    //! Tests that need namespaces and a switch.

    mod gc;
    mod heal;
    mod memory;
    mod metrics;
    mod node;
    mod silence;
    mod spec;
}
