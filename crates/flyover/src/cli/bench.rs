//! `flyover bench`: measures paths beside their baseline.

use std::process::ExitCode;

use clap::Subcommand;

/// Verbs of `flyover bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {}

impl Bench {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {}
    }
}
