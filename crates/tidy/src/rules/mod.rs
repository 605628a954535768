//! The rules, one module for each.

pub mod contract;
pub mod dependencies;
pub mod floors;
pub mod heads;
mod licence;
pub mod processes;
pub mod purity;
pub mod sizes;
pub mod unfinished;
