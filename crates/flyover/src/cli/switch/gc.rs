//! `flyover switch gc`: attachments that nobody has any more.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use flyover_cni_core::node::Node;
use flyover_cni_core::reconcile::{Finding, Options, Verdict, reconcile};

use crate::cli::print::{Printed, show};

/// `flyover switch gc`.
#[derive(Debug, clap::Args)]
pub(crate) struct Gc {
    /// Only tell what would be taken away.
    #[arg(long)]
    dry_run: bool,
    /// How long an ADD may take before its attachment counts as left behind.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Directory below which the host is.
    #[arg(long, env = "FLYOVER_ROOT", default_value = "/")]
    root: PathBuf,
    #[command(flatten)]
    printed: Printed,
}

impl Gc {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let node =
            Node::load(&self.root).context("failed to read the node's configuration for attachments")?;
        let options = Options { dry_run: self.dry_run, grace: self.grace };
        let found = reconcile(&node, options).context("failed to look at the node's attachments")?;
        show(&self.printed, &found, || table(&found, self.dry_run))?;
        let failed = found.iter().any(|finding| !finding.errors.is_empty());
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// A line for each attachment, and how many went.
fn table(found: &[Finding], dry_run: bool) -> String {
    let mut lines: Vec<String> = found.iter().map(|finding| line(finding, dry_run)).collect();
    let stale = found.iter().filter(|finding| matches!(finding.verdict, Verdict::Stale { .. })).count();
    let verb = if dry_run { "would go" } else { "left behind" };
    lines.push(format!("{} attachments, {stale} {verb}", found.len()));
    lines.join("\n")
}

fn line(finding: &Finding, dry_run: bool) -> String {
    let who = finding.attachment.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let (what, because) = match finding.verdict {
        Verdict::Keep { because } => ("kept", because),
        Verdict::Stale { because } if dry_run => ("would go", because),
        Verdict::Stale { because } if finding.removed => ("removed", because),
        Verdict::Stale { because } => ("not removed", because),
    };
    let errors: String = finding.errors.iter().map(|error| format!("\n    {error}")).collect();
    format!("{} {what}: {because} ({who}){errors}", finding.id)
}
