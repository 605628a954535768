//! `flyover switch explain`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use flyover_api::SwitchSpec;

use crate::cli::fault::{Exit, Fault};
use crate::cli::print;

/// `flyover switch explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A field, such as `dpdk.socketMemory`; all of them unless given.
    field: Option<String>,
    /// Print the JSON Schema instead.
    #[arg(long, conflicts_with = "field")]
    schema: bool,
}

impl Explain {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.schema {
            print::json(&flyover_api::schema::<SwitchSpec>())?;
            return Ok(ExitCode::SUCCESS);
        }
        let text = flyover_api::explain::<SwitchSpec>(self.field.as_deref()).with_context(|| {
            Fault::new(Exit::Usage, "there is no such field")
                .hint("`flyover switch explain` lists every field")
        })?;
        print::text(text.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}
