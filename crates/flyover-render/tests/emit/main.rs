//! What profiles become, held against golden files and read back by the formats' own readers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod fixture;
mod golden;
mod readers;
