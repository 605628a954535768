//! `kubectl flyover verify --removed`: whether something of Flyover is left.

use std::process::ExitCode;

use clap::Args;
use flyover_host::live::Live;
use flyover_host::traces;

use super::connect::Connect;
use super::format::Formatted;
use super::left;
use crate::cli::fault::Exit;

/// `kubectl flyover verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    connect: Connect,
    /// That nothing is left: no definition, object, namespace, and on the nodes no label, annotation or resource.
    #[arg(long, required = true)]
    removed: bool,
    /// Look at this machine instead of a cluster: files, folders, units, BPF pins.
    #[arg(long)]
    node: bool,
    #[command(flatten)]
    formatted: Formatted,
}

impl Verify {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let left = if self.node {
            traces::left(&Live::host()).iter().map(ToString::to_string).collect()
        } else {
            left::all(&self.connect.client().await?.client).await?
        };
        let answer = serde_json::json!({"removed": left.is_empty(), "left": left});
        self.formatted.show(&answer, |_| table(&left))?;
        Ok(if left.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}

fn table(left: &[String]) -> String {
    if left.is_empty() {
        return "Nothing of Flyover is left.".into();
    }
    format!("left:\n  {}", left.join("\n  "))
}
