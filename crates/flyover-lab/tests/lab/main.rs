//! Labs that are really built, by root, and what can be reached in them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod root;
