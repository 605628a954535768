//! `flyover switch import`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flyover_plan::switch::import::{Imported, config_cfg};
use flyover_plan::switch::lint::Level;

use super::findings::comments;
use super::input::{Version, facts};
use crate::cli::fault::{Exit, Fault};
use crate::cli::node::{Which, read_text};
use crate::cli::print::{Printed, show};

/// `flyover switch import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The `config.cfg` of kube-ovn: an option a line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    config_cfg: PathBuf,
    #[command(flatten)]
    version: Version,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    printed: Printed,
}

impl Import {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let text = read_text(&self.config_cfg)?;
        let release = self.version.release()?;
        let host = facts(&self.which)?;
        let imported = config_cfg(&text, Some((&host, &release)));
        show(&self.printed, &imported, || written(&imported))?;
        let lines = imported.findings.iter().filter(|f| f.level == Level::Error && f.at.starts_with("line "));
        match lines.count() {
            0 => Ok(ExitCode::SUCCESS),
            count => {
                let what = format!("{count} lines of `{}` are no settings", self.config_cfg.display());
                Err(Fault::new(Exit::Usage, what).hint("they are named above, and were left out").into())
            }
        }
    }
}

fn written(imported: &Imported) -> String {
    let text = comments(&imported.findings) + &imported.spec.to_yaml();
    text.trim_end().to_owned()
}
