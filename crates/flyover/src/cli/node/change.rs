//! The changing verbs of `flyover node`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use flyover_api::NodeProfileSpec;
use flyover_host::executor::Outcome;
use flyover_host::journal::Cause;
use flyover_host::node::{How, Node};

use super::Printed;
use super::input::{Host, read_profile, told};
use super::look::show;
use crate::cli::fault::{Exit, Fault, root_only};
use crate::cli::spine;

/// `flyover node apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The profile: YAML, the bare spec or a whole `NodeProfile`; `-` is standard input.
    #[arg(short, long, value_name = "FILE", required_unless_present = "resume")]
    file: Option<PathBuf>,
    /// Go on with the profile that a crash or a reboot interrupted.
    #[arg(long, conflicts_with = "file")]
    resume: bool,
    /// Reboot if the profile needs it: once, and never again for the same plan.
    #[arg(long)]
    allow_reboot: bool,
    /// Show the plan, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover node rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The generation to go back to; 0 is the node as it was found. The one before the newest unless given.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Show what would be put back, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    printed: Printed,
}

impl Apply {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let host = Host::here();
        let node = host.node();
        let spec = self.profile(&node)?;
        if self.dry_run {
            let view = node.view(&spec).map_err(told)?;
            return show(&self.printed, &view.plan, || spine::plan(&view.plan));
        }
        root_only("a node")?;
        let program = std::env::current_exe().context("failed to find this program's own file")?;
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let (allow_reboot, program) = (self.allow_reboot, Some(&*program));
        let how = How { allow_reboot, cause: Cause::Asked, now, program, resumes: self.resume };
        let applied = node.apply(&spec, &how).map_err(told)?;
        show(&self.printed, &applied, || spine::applied(&applied.outcome, &applied.plan, &applied.drift))?;
        if matches!(applied.outcome, Outcome::NeedsReboot { .. }) {
            eprintln!("hint:  say it again with --allow-reboot, or reboot and say it again");
        }
        Ok(if applied.drift.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }

    fn profile(&self, node: &Node) -> anyhow::Result<NodeProfileSpec> {
        match &self.file {
            Some(file) => read_profile(file),
            None => node.interrupted().map_err(told),
        }
    }
}

impl Rollback {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let host = Host::here();
        let node = host.node();
        if self.dry_run {
            let plan = node.rollback_plan(self.to).map_err(told)?;
            return show(&self.printed, &plan, || spine::plan(&plan));
        }
        root_only("a node")?;
        let report = node.roll_back(self.to).map_err(told)?;
        show(&self.printed, &report, || spine::rolled_back(&report, "node"))?;
        if !report.failed.is_empty() {
            return Err(Fault::new(Exit::Failed, "not all could be put back")
                .hint("mend what is named above, and say it again")
                .into());
        }
        Ok(if report.kept.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}
