//! Standard output: data, and nothing else.

use std::io::{self, Write};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::Output;

/// How a reading verb prints.
#[derive(Debug, Args)]
pub(crate) struct Printed {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// Prints for people or for programs.
pub(crate) fn show(
    printed: &Printed,
    value: &impl Serialize,
    table: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match printed.output {
        Output::Json => json(value),
        Output::Table => text(&table()),
    }
}

/// Prints a value for programs.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(value).context("failed to write JSON")?)
}

/// Prints text for people. A reader that went away early is no error.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(e).context("failed to write to standard output")
        }
        _ => Ok(()),
    }
}
