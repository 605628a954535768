//! Twin labs: the same packets through a lab with the bypass and a lab without, and nothing may differ.
//!
//! Every test builds two labs of the same form, turns FastPath on in one, opens flows in both, and sends the same
//! crafted packets. What arrives at the receivers, what comes back to the senders, and what is on the wire is
//! compared byte for byte; [`plain`] says what is masked and why.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod diff;
mod draw;
mod flow;
mod frame;
mod opened;
mod plain;
mod root;
mod shot;
mod site;
mod sum;
mod sys;
mod twins;
mod wrap;
