//! How verbs for a cluster print, by kubectl's words.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::print;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For people, with all there is.
    Wide,
    /// For programs.
    Json,
    /// For programs.
    Yaml,
}

/// How to print.
#[derive(Debug, Args)]
pub(super) struct Formatted {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
}

impl Formatted {
    /// Prints; the table is told whether it is to be wide.
    pub(super) fn show(
        &self,
        value: &impl Serialize,
        table: impl FnOnce(bool) -> String,
    ) -> anyhow::Result<()> {
        match self.output {
            Format::Json => print::json(value),
            Format::Yaml => print::text(serde_saphyr::to_string(value)?.trim_end()),
            Format::Table => print::text(table(false).trim_end()),
            Format::Wide => print::text(table(true).trim_end()),
        }
    }
}
