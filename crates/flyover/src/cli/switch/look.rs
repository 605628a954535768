//! The reading verbs of `flyover switch`, but for its status.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flyover_core::{Drift, Refusal, RefusalKind};
use flyover_host::live::Live;
use flyover_switch::{Switch, SwitchError};

use super::input::{At, Spec, read_spec, told};
use crate::cli::fault::{Exit, Fault};
use crate::cli::print::{self, Printed};
use crate::cli::spine;

/// `flyover switch plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanOf {
    #[command(flatten)]
    spec: Spec,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover switch verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The spec; the one that was applied last unless given.
    #[arg(short, long, value_name = "FILE", conflicts_with = "at")]
    file: Option<PathBuf>,
    #[command(flatten)]
    which: At,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover switch history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    which: At,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover switch receipt`.
#[derive(Debug, Args)]
pub(crate) struct ReceiptOf {
    #[command(flatten)]
    which: At,
    #[command(flatten)]
    printed: Printed,
}

impl PlanOf {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let spec = self.spec.read()?;
        let view = Switch::for_spec(Live::host(), &spec).view(&spec).map_err(told)?;
        print::show(&self.printed, &view.plan, || {
            let tail = if view.plan.steps.is_empty() { "" } else { " Nothing has been changed yet." };
            spine::plan(&view.plan) + tail
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Verify {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let drift = self.drift()?;
        print::show(&self.printed, &drift, || {
            if drift.is_empty() {
                "The switch is what the spec says.".to_owned()
            } else {
                spine::drift(&drift)
            }
        })?;
        Ok(if drift.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }

    fn drift(&self) -> anyhow::Result<Vec<Drift>> {
        let (switch, spec) = match &self.file {
            Some(file) => {
                let spec = read_spec(file)?;
                (Switch::for_spec(Live::host(), &spec), spec)
            }
            None => {
                let switch = self.which.switch();
                let spec = switch.spec().map_err(told)?.ok_or_else(|| {
                    Fault::new(Exit::Usage, "no spec is applied to this switch").hint("name one with -f")
                })?;
                (switch, spec)
            }
        };
        match switch.view(&spec) {
            Ok(view) => {
                view.owed.iter().for_each(|owed| eprintln!("note: {owed}"));
                Ok(view.drift)
            }
            // Hugepages went, a card was taken out: the spec no longer fits, which is drift.
            Err(SwitchError::Refused(why))
                if why.iter().all(|refusal| refusal.kind == RefusalKind::Impossible) =>
            {
                Ok(why.into_iter().map(no_longer_possible).collect())
            }
            Err(error) => Err(told(error)),
        }
    }
}

fn no_longer_possible(refusal: Refusal) -> Drift {
    Drift { subject: refusal.field, wanted: "possible on this host".to_owned(), found: refusal.what }
}

impl History {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let history = self.which.switch().history().map_err(told)?;
        print::show(&self.printed, &history, || spine::history(&history))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ReceiptOf {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let receipt = self.which.switch().receipt().map_err(told)?;
        print::show(&self.printed, &receipt, || spine::receipt(&receipt, "switch"))?;
        Ok(ExitCode::SUCCESS)
    }
}
