//! Chores of the repository: set-up of kernels, generated files.

fn main() {}
