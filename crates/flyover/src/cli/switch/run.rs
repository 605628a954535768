//! `flyover switch run`: the node's process.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use flyover_cni_core::node::Node;
use flyover_core::HostPath;
use flyover_host::live::Live;
use flyover_switch::Switch;
use flyover_switch::run::{Round, RunError, Settings, once, run};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::fault::{Exit, Fault, root_only};
use crate::cli::print::{Printed, show};

/// `flyover switch run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The switch's run directory; that of the node's configuration unless given.
    #[arg(long, value_name = "FOLDER")]
    at: Option<HostPath>,
    /// Directory below which the node's configuration and attachments are.
    #[arg(long, env = "FLYOVER_ROOT", default_value = "/")]
    root: PathBuf,
    /// Where to serve Prometheus metrics, or `none`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9465", value_parser = metrics)]
    metrics: Metrics,
    /// How often to look at everything, whether or not anything is told to have changed.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    each: Duration,
    /// How long an ADD may take before its attachment counts as left behind; such are collected when they are found the
    /// second time.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Write the annotations `userspace/configuration-data` and `userspace/mapped-dir` that pods of Userspace CNI read, by
    /// this kubeconfig, for networks that name one which the node allows.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Look once, mend what is to be mended, say what was done, and end: 1 if something failed. Nothing is collected.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    printed: Printed,
}

/// `--metrics`.
#[derive(Clone, Copy, Debug)]
struct Metrics(Option<SocketAddr>);

fn metrics(text: &str) -> Result<Metrics, std::net::AddrParseError> {
    if text == "none" { Ok(Metrics(None)) } else { text.parse().map(|address| Metrics(Some(address))) }
}

/// More often it would do nothing else.
const SHORTEST: Duration = Duration::from_millis(100);

impl Run {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.each < SHORTEST {
            return Err(Fault::new(Exit::Usage, "--each is too short").hint("at least 100ms").into());
        }
        root_only("a switch")?;
        let settings = self.settings()?;
        if self.once {
            let round = once(&settings)?;
            show(&self.printed, &round, || told(&round))?;
            return Ok(if round.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        foreground(settings)?;
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let node =
            Node::load(&self.root).context("failed to read the node's configuration for attachments")?;
        let of_node = || node.rundir.to_string_lossy().parse::<HostPath>();
        let at = self.at.clone().map_or_else(of_node, Ok).context("the node's `rundir` is no path")?;
        let switch = Switch::of(Live::host(), Some(at));
        let (each, grace, kubeconfig) = (self.each, self.grace, self.kubeconfig.clone());
        Ok(Settings { node, switch, metrics: self.metrics.0, each, grace, kubeconfig })
    }
}

fn foreground(settings: Settings) -> anyhow::Result<()> {
    // One thread that waits, and one that does what is to be done.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    runtime.context("failed to start")?.block_on(async {
        let mut term = signal(SignalKind::terminate()).context("failed to listen for signals")?;
        let mut int = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
        let stop = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        run(settings, stop).await.map_err(|error: RunError| error.into())
    })
}

fn told(round: &Round) -> String {
    let mut text = String::new();
    for step in &round.switch {
        let _infallible = writeln!(text, "switch: {step} is as the spec says again");
    }
    for mended in &round.repaired {
        let _infallible =
            writeln!(text, "{} is attached again: {}", mended.attachment, mended.differences.join("; "));
    }
    for left in &round.left_behind {
        let _infallible = writeln!(text, "{} was left behind (flyover switch gc takes it away)", left.id);
    }
    for error in &round.failed {
        let _infallible = writeln!(text, "failed: {error}");
    }
    let quiet = round.is_quiet() && round.left_behind.is_empty();
    text + if quiet { "Everything is as it should be." } else { "That was all." }
}
