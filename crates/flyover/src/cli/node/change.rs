//! The changing verbs of `flyover node`.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use flyover_host::node::{Applied, Node};

use super::input::{Profile, told};
use super::look::show;
use super::{Printed, Which, table};
use crate::cli::fault::{Exit, Fault};
use crate::cli::print;

/// `flyover node apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    profile: Profile,
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

fn node() -> anyhow::Result<Node> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Fault::new(Exit::Failed, "only root can change a node").hint("run it with sudo").into());
    }
    Ok(Which { host: None }.host()?.node())
}

impl Apply {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let spec = self.profile.read()?;
        if self.dry_run {
            let view = Which { host: None }.host()?.node().view(&spec).map_err(told)?;
            return show(&self.printed, &view.plan, || table::plan(&view.plan));
        }
        let applied = node()?.apply(&spec, self.allow_reboot, SystemTime::now()).map_err(told)?;
        show(&self.printed, &applied, || table::applied(&applied))?;
        if let Applied::NeedsReboot { .. } = applied {
            eprintln!("hint:  run it again with --allow-reboot, or reboot and run it again");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Rollback {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let node = node()?;
        if self.dry_run {
            let plan = node.rollback_plan(self.to).map_err(told)?;
            return show(&self.printed, &plan, || table::plan(&plan));
        }
        let report = node.roll_back(self.to, SystemTime::now()).map_err(told)?;
        show(&self.printed, &report, || table::rolled_back(&report))?;
        if report.needs_reboot {
            print::text("The running kernel keeps its arguments until it is rebooted.")?;
        }
        Ok(if report.kept.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}
