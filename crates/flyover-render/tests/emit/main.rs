//! What profiles become, held against golden files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod fixture;
mod golden;
