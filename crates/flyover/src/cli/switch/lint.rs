//! `flyover switch lint`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use flyover_plan::switch::lint::{Level, Linted, lint};

use super::findings::comments;
use crate::cli::fault::{Exit, Fault};
use crate::cli::node::read_text;
use crate::cli::print::{Printed, show};

/// `flyover switch lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// A file of attachments, of pods and VMs that use them, or of a bare configuration; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    printed: Printed,
}

impl Lint {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let text = read_text(&self.file)?;
        let documents = flyover_api::documents(&text).with_context(|| {
            Fault::new(Exit::Usage, format!("`{}` is neither YAML nor JSON", self.file.display()))
                .hint("a file as kubectl takes it, or a configuration of CNI")
        })?;
        let linted = lint(&documents);
        show(&self.printed, &linted, || written(&linted))?;
        let bad = linted.findings.iter().any(|finding| finding.level != Level::Note);
        Ok(if bad { Exit::Differs.into() } else { ExitCode::SUCCESS })
    }
}

fn written(linted: &Linted) -> String {
    let better: Vec<&str> = linted.better.iter().map(|text| text.trim_end()).collect();
    let text = comments(&linted.findings) + &better.join("\n---\n");
    if text.is_empty() { "# nothing is wrong".to_owned() } else { text.trim_end().to_owned() }
}
