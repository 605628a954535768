//! The program's options, and what is done before anything runs beside it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use flyover_core::HostPath;
use flyover_host::live::Live;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::Agent;
use crate::client::{by_account, by_kubeconfig};
use crate::cni::Plugin;
use crate::flows::Flows;
use crate::foresee::Foresee;
use crate::hostns::{self, Kept};
use crate::stay::{be_child, stay};

/// The host's first process, where the pod has the host's processes.
const FIRST: &str = "/proc/1";
/// What the pod's account may do by itself at the API server.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The plugin's program in the directory of the image.
const PLUGIN: &str = "flyover-cni";

/// The part of Flyover that runs on each node.
#[derive(Debug, Parser)]
#[command(name = "flyover-agent", version)]
pub struct Options {
    /// A question about the node; without one, the agent runs.
    #[command(subcommand)]
    question: Option<Question>,
    /// The node's name.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    node_name: String,
    /// The address by which the other nodes know this one: its device is the bypass's uplink where none is named.
    #[arg(long, env = "HOST_IP", value_name = "ADDRESS")]
    host_ip: Option<IpAddr>,
    /// The way to the API server, for an agent outside a pod. The host is then this machine as it is, and no mounts are
    /// entered.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where runtimes look for CNI plugins on the host.
    #[arg(long, env = "FLYOVER_CNI_BIN_DIR", value_name = "FOLDER", default_value = "/opt/cni/bin")]
    cni_bin_dir: HostPath,
    /// The kubelet's directory.
    #[arg(long, env = "FLYOVER_KUBELET_DIR", value_name = "FOLDER", default_value = "/var/lib/kubelet")]
    kubelet_dir: PathBuf,
    /// The folder of the agent's own image with `flyover-cni`, the plugin to install; that of this program unless given.
    /// Where there is none, none is installed.
    #[arg(long, env = "FLYOVER_IMAGE_DIR", value_name = "FOLDER")]
    image_dir: Option<PathBuf>,
    /// This process is the one that leaves the pod's mounts, and ends with its parent.
    #[arg(long, hide = true)]
    moves: bool,
}

/// What is asked by a command in the agent's pod.
#[derive(Debug, Subcommand)]
enum Question {
    /// Print the conversations of a pod, and which of them are bypassed, as JSON.
    Flows(Flows),
    /// Print what a spec would take on this node, as JSON. Nothing is changed.
    Foresee(Foresee),
}

/// What of the pod is still within reach after its mounts were left.
struct Baggage {
    account: Option<Kept>,
    image: Kept,
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
    match options.run() {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: Options) -> anyhow::Result<()> {
    if options.moves {
        be_child()?;
    }
    // Before there is a second thread.
    let baggage = options.move_out()?;
    // One thread that waits, and few that do what is to be done.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
    let runtime = runtime.context("failed to start")?;
    let ended = runtime.block_on(async {
        let mut term = signal(SignalKind::terminate()).context("failed to listen for signals")?;
        let mut int = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
        let stop = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        let client = options.client(&baggage).await?;
        let mut agent = Agent::new(options.node_name.clone(), Live::host(), client);
        agent.host_ip = options.host_ip;
        agent.kubelet = Some(options.kubelet_dir.join("device-plugins"));
        agent.plugin = options.plugin(&baggage);
        if agent.plugin.is_none() {
            tracing::info!("there is no CNI plugin beside the agent, so none is installed");
        }
        anyhow::Ok(agent.run(stop).await?)
    });
    // What was cut off is continued by the next agent; to wait for it here would be to wait for ever.
    runtime.shutdown_background();
    ended
}

impl Options {
    fn run(self) -> anyhow::Result<ExitCode> {
        match &self.question {
            Some(Question::Flows(flows)) => {
                hostns::enter(Path::new(FIRST))?;
                flows.print()?;
            }
            Some(Question::Foresee(foresee)) => {
                let baggage = self.move_out()?;
                foresee.print(&Live::host(), self.host_ip, self.plugin(&baggage))?;
            }
            None if self.kubeconfig.is_none() && !self.moves => return stay(),
            None => start(self)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Leaves the pod's mounts for the host's, with what is needed of them.
    fn move_out(&self) -> anyhow::Result<Baggage> {
        let here = std::env::current_exe().context("failed to find this program's own file")?;
        let own = || here.parent().unwrap_or(Path::new("/")).to_owned();
        let image = Kept::open(&self.image_dir.clone().unwrap_or_else(own))?;
        if self.kubeconfig.is_some() {
            return Ok(Baggage { account: None, image });
        }
        let account = Kept::open(Path::new(ACCOUNT))?;
        hostns::enter(Path::new(FIRST))?;
        Ok(Baggage { account: Some(account), image })
    }

    /// The plugin that is beside the agent, if one is.
    fn plugin(&self, baggage: &Baggage) -> Option<Plugin> {
        let program = baggage.image.path().join(PLUGIN);
        let (directory, kubelet) = (self.cni_bin_dir.clone(), self.kubelet_dir.clone());
        program.exists().then_some(Plugin { program, directory, kubelet })
    }

    async fn client(&self, baggage: &Baggage) -> anyhow::Result<Client> {
        match (&self.kubeconfig, &baggage.account) {
            (Some(path), _) => Ok(by_kubeconfig(path).await?),
            (None, Some(account)) => Ok(by_account(&account.path())?),
            (None, None) => anyhow::bail!("outside a pod the way to the API server is by a --kubeconfig"),
        }
    }
}
