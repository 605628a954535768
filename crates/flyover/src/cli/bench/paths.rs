//! Where a comparison gets its paths from: the lab of that name.

use flyover_latency::compare::Paths;

use super::super::fault::{Exit, Fault};

/// The paths of a lab, and companions of it for what the lab itself is not.
pub(crate) fn of_lab(name: &str) -> anyhow::Result<Box<dyn Paths>> {
    Err(Fault::new(Exit::Impossible, format!("lab `{name}` has no paths to compare"))
        .hint("this build has no labs")
        .into())
}
