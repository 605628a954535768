//! The program's options, and what is done before anything runs beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use flyover_host::live::Live;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::Agent;
use crate::client::by_kubeconfig;

/// The part of Flyover that runs on each node.
#[derive(Debug, Parser)]
#[command(name = "flyover-agent", version)]
pub struct Options {
    /// The node's name.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    node_name: String,
    /// The way to the API server, for an agent outside a pod: the host is this machine as it is.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// Runs the agent to its end.
#[must_use]
pub fn run() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("FLYOVER_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    match start(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: Options) -> anyhow::Result<()> {
    // One thread that waits, and few that do what is to be done.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
    let runtime = runtime.context("failed to start")?;
    let ended = runtime.block_on(async {
        let mut term = signal(SignalKind::terminate()).context("failed to listen for signals")?;
        let mut int = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
        let stop = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        let path = options.kubeconfig.context("outside a pod a --kubeconfig is needed")?;
        let client = by_kubeconfig(&path).await?;
        anyhow::Ok(Agent::new(options.node_name, Live::host(), client).run(stop).await?)
    });
    // What was cut off is continued by the next agent; to wait for it here would be to wait for ever.
    runtime.shutdown_background();
    ended
}
