//! FastPath from its start to its end, as far as it differs between kernels: the hooks, what a later process finds,
//! what `off` leaves, and overlays. It runs here and in the guests of `cargo xtask kernels`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod rig;
mod root;
mod talk;
