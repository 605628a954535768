//! `flyover fastpath`: the node's process, and questions about it.

use std::process::ExitCode;

use clap::Subcommand;

/// Verbs of `flyover fastpath`.
#[derive(Debug, Subcommand)]
pub(crate) enum Fastpath {}

impl Fastpath {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {}
    }
}
