//! `flyover lab`.

use std::process::ExitCode;

use clap::Subcommand;

/// Verbs of `flyover lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum Lab {}

impl Lab {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {}
    }
}
