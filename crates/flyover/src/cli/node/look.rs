//! The reading verbs of `flyover node`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use flyover_api::NodeProfileSpec;
use flyover_core::{Drift, Refusal, RefusalKind};
use flyover_host::facts::Inspection;
use flyover_host::live::Live;
use flyover_host::node::NodeError;
use serde::Serialize;

use super::input::{Host, Profile, read_profile, ssh_peers, told};
use super::{Printed, Which, table};
use crate::cli::fault::{Exit, Fault};
use crate::cli::{print, spine};

/// `flyover node inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover node plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanOf {
    #[command(flatten)]
    profile: Profile,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover node verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The profile; the one that was applied last unless given.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    printed: Printed,
}

/// `flyover node history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    printed: Printed,
}

/// `flyover node receipt`.
#[derive(Debug, Args)]
pub(crate) struct ReceiptOf {
    #[command(flatten)]
    printed: Printed,
}

/// `flyover node explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A field, such as `hugepages.pages`; all of them unless given.
    field: Option<String>,
    /// Print the JSON Schema instead.
    #[arg(long, conflicts_with = "field")]
    schema: bool,
}

/// `flyover node capture`.
#[derive(Debug, Args)]
pub(crate) struct Capture {}

impl Inspect {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let facts = self.which.host()?.node().facts(None).map_err(told)?;
        show(&self.printed, &facts, || table::facts(&facts))
    }
}

impl PlanOf {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let spec = self.profile.read()?;
        let view = self.which.host()?.node().view(&spec).map_err(told)?;
        show(&self.printed, &view.plan, || {
            let tail = if view.plan.steps.is_empty() { "" } else { " Nothing has been changed yet." };
            spine::plan(&view.plan) + tail
        })
    }
}

impl Verify {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let node = Host::here().node();
        let spec = match &self.file {
            Some(file) => read_profile(file)?,
            None => applied(&node)?,
        };
        let drift = match node.view(&spec) {
            Ok(view) => {
                view.facts.taints.iter().for_each(|taint| eprintln!("taint: {taint}"));
                view.drift
            }
            // A card was taken out, an IOMMU turned off: the profile no longer fits, which is drift.
            Err(NodeError::Refused(why))
                if why.iter().all(|refusal| refusal.kind == RefusalKind::Impossible) =>
            {
                why.into_iter().map(no_longer_possible).collect()
            }
            Err(error) => return Err(told(error)),
        };
        show(&self.printed, &drift, || {
            if drift.is_empty() {
                "The node is what the profile says.".to_owned()
            } else {
                spine::drift(&drift)
            }
        })?;
        Ok(if drift.is_empty() { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}

fn no_longer_possible(refusal: Refusal) -> Drift {
    Drift { subject: refusal.field, wanted: "possible on this node".to_owned(), found: refusal.what }
}

fn applied(node: &flyover_host::node::Node) -> anyhow::Result<NodeProfileSpec> {
    node.profile().map_err(told)?.ok_or_else(|| {
        Fault::new(Exit::Usage, "no profile is applied on this node").hint("name one with -f").into()
    })
}

impl History {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let history = Host::here().node().history().map_err(told)?;
        show(&self.printed, &history, || spine::history(&history))
    }
}

impl ReceiptOf {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let receipt = Host::here().node().receipt().map_err(told)?;
        show(&self.printed, &receipt, || spine::receipt(&receipt, "node"))
    }
}

impl Explain {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.schema {
            print::json(&flyover_api::schema::<NodeProfileSpec>())?;
            return Ok(ExitCode::SUCCESS);
        }
        let text = flyover_api::explain::<NodeProfileSpec>(self.field.as_deref()).with_context(|| {
            Fault::new(Exit::Usage, "there is no such field").hint("`flyover node explain` lists every field")
        })?;
        print::text(text.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Capture {
    #[expect(clippy::unused_self, reason = "every verb runs alike")]
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let asked = Inspection { ssh_peers: ssh_peers(), units: Vec::new() };
        let tree =
            flyover_host::tree::capture(&Live::host(), &asked).context("failed to capture this host")?;
        print::text(tree.to_string().trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints for people or for programs, and is done.
pub(super) fn show(
    printed: &Printed,
    value: &impl Serialize,
    table: impl FnOnce() -> String,
) -> anyhow::Result<ExitCode> {
    print::show(printed, value, table)?;
    Ok(ExitCode::SUCCESS)
}
