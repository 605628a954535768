//! `flyover fastpath`: the node's process, and questions about it.

mod read;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use flyover_core::{IfName, IfPattern};
use flyover_fastpath::{Instance, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// Verbs of `flyover fastpath`.
#[derive(Debug, Subcommand)]
pub(crate) enum Fastpath {
    /// Run the node's process in the foreground.
    Run(Run),
    /// Remove everything the instance left on the machine.
    Off(Which),
    /// Show what is accelerated, and what is left alone and why.
    Status(read::Status),
    /// Show the flows of the bypass, the busiest first.
    Flows(read::Flows),
    /// Say why a pod or a flow is, or is not, accelerated.
    Why(read::Why),
}

/// Which instance.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Name of the instance.
    #[arg(long, default_value = "default")]
    name: String,
    /// Directory below which the instance keeps its files.
    #[arg(long, env = "FLYOVER_ROOT", default_value = "/")]
    root: std::path::PathBuf,
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    which: Which,
    /// Device toward the wire; may be given several times.
    #[arg(long, required = true, num_args = 1..)]
    uplink: Vec<IfName>,
    /// Devices of pods: `auto`, or patterns such as `veth*`.
    #[arg(long, num_args = 1.., default_value = "auto")]
    pods: Vec<String>,
    /// How long an entry holds before a packet must prove it again.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    lease: Duration,
    /// After how long without a heartbeat the bypass turns itself off.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    deadman: Duration,
    /// Address to serve Prometheus metrics on, such as 127.0.0.1:9475.
    #[arg(long)]
    metrics: Option<std::net::SocketAddr>,
    /// Never set `nf_conntrack_tcp_be_liberal`; TCP flows that conntrack tracks then stay slow.
    #[arg(long)]
    no_liberal: bool,
}

impl Which {
    fn instance(&self) -> anyhow::Result<Instance> {
        Ok(Instance::new(&self.root, &self.name)?)
    }
}

impl Run {
    fn settings(&self) -> anyhow::Result<Settings> {
        let pods = self
            .pods
            .iter()
            .filter(|p| *p != "auto")
            .map(|p| p.parse::<IfPattern>())
            .collect::<Result<_, _>>()?;
        Ok(Settings {
            uplinks: self.uplink.clone(),
            pods,
            lease: self.lease,
            deadman: self.deadman,
            may_set_liberal: !self.no_liberal,
            metrics: self.metrics,
        })
    }
}

impl Fastpath {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(run) => foreground(&run)?,
            Self::Off(which) => flyover_fastpath::remove(&which.instance()?)?,
            Self::Status(status) => status.run()?,
            Self::Flows(flows) => flows.run()?,
            Self::Why(why) => why.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn foreground(run: &Run) -> anyhow::Result<()> {
    let (instance, settings) = (run.which.instance()?, run.settings()?);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate()).context("failed to listen for signals")?;
        let mut int = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
        let stop = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        Ok(flyover_fastpath::run(instance, settings, stop).await?)
    })
}
