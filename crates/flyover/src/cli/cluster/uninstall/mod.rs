//! `kubectl flyover uninstall`: the nodes first, then what is in the cluster, then a look whether anything is left.
//!
//! Invariant: whoever can put the nodes back is removed only when every node said that it is clean, or was given up by name.

mod nodes;
mod objects;
mod receipts;
mod wishes;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

pub(super) use objects::is_of_cluster;

use super::connect::Connect;
use super::left;
use super::progress::Progress;
use crate::cli::fault::{Exit, Fault};
use crate::cli::print;

/// `kubectl flyover uninstall`.
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    #[command(flatten)]
    connect: Connect,
    /// Remove the namespace even if others put something there.
    #[arg(long)]
    purge: bool,
    /// Do not wait for this node: it is dead, or will not come back. What was changed on it stays. Can be given several times;
    /// `*` gives up every node.
    #[arg(long, value_name = "NODE")]
    abandon: Vec<String>,
    /// How long to wait for the nodes, and then for the objects.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl Uninstall {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.connect.client().await?.client;
        let receipts = wishes::take_back(&client, &self.abandon, self.timeout).await?;
        if !receipts.is_empty() {
            print::text(&receipts::table(&receipts))?;
        }
        let mut progress = Progress::within(self.timeout);
        let kept = objects::remove(&client, self.purge, &mut progress).await?;
        nodes::unmark(&client).await?;
        drop(progress);
        let left = left::all(&client).await?;
        if left.is_empty() {
            print::text("Nothing of Flyover is left in the cluster.")?;
            return Ok(ExitCode::SUCCESS);
        }
        let fault = Fault::new(Exit::Failed, format!("something is left: {}", left.join(", ")));
        Err(if kept.is_empty() {
            fault.hint("run it again; `kubectl describe` says what keeps an object").into()
        } else {
            fault
                .hint(format!(
                    "the namespace holds what others put there ({}): move it, or --purge",
                    kept.join(", ")
                ))
                .into()
        })
    }
}
