//! `flyover switch size`.

use std::process::ExitCode;

use clap::Args;
use flyover_plan::switch::size;

use super::input::{Spec, Version, facts};
use super::sizing;
use crate::cli::node::{Which, refused};
use crate::cli::print::{Printed, show};

/// `flyover switch size`.
#[derive(Debug, Args)]
pub(crate) struct Size {
    #[command(flatten)]
    spec: Spec,
    #[command(flatten)]
    version: Version,
    /// Say the reason of every bit and MiB.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    printed: Printed,
}

impl Size {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let spec = self.spec.read()?;
        let release = self.version.release()?;
        let (sizing, refusals) = size(&spec, &facts(&self.which)?, &release);
        show(&self.printed, &sizing, || sizing::table(&sizing, self.explain))?;
        sizing.notes.iter().for_each(|note| eprintln!("note: {note}"));
        if refusals.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(refused(refusals)) }
    }
}
