//! The changing verbs of `flyover switch`.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use flyover_host::journal::Cause;
use flyover_host::live::Live;
use flyover_switch::Switch;

use super::input::{At, Spec, told};
use crate::cli::fault::{Exit, Fault, root_only};
use crate::cli::print::{self, Printed};
use crate::cli::spine;

/// `flyover switch apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    spec: Spec,
    /// Show the plan, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover switch rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    which: At,
    /// The generation to go back to; 0 is the switch as it was found. The one before the newest unless given.
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
        let spec = self.spec.read()?;
        let switch = Switch::for_spec(Live::host(), &spec);
        if self.dry_run {
            let view = switch.view(&spec).map_err(told)?;
            print::show(&self.printed, &view.plan, || spine::plan(&view.plan))?;
            return Ok(ExitCode::SUCCESS);
        }
        root_only("a switch")?;
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let applied = switch.apply(&spec, Cause::Asked, now).map_err(told)?;
        print::show(&self.printed, &applied, || {
            spine::applied(&applied.outcome, &applied.plan, &applied.drift)
        })?;
        applied.owed.iter().for_each(|owed| eprintln!("note: {owed}"));
        Ok(if applied.drift.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}

impl Rollback {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let switch = self.which.switch();
        if self.dry_run {
            let plan = switch.rollback_plan(self.to).map_err(told)?;
            switch.refuse_occupied(&plan).map_err(told)?;
            print::show(&self.printed, &plan, || spine::plan(&plan))?;
            return Ok(ExitCode::SUCCESS);
        }
        root_only("a switch")?;
        let report = switch.roll_back(self.to).map_err(told)?;
        print::show(&self.printed, &report, || spine::rolled_back(&report, "switch"))?;
        if !report.failed.is_empty() {
            return Err(Fault::new(Exit::Failed, "not all could be put back")
                .hint("mend what is named above, and say it again")
                .into());
        }
        Ok(if report.kept.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}
