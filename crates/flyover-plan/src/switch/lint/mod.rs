//! What is wrong in what others wrote, and what would be better.

mod better;
mod carrier;
mod findings;
mod nad;
mod network;

pub use findings::{Finding, Level};
pub use nad::{Linted, lint};
