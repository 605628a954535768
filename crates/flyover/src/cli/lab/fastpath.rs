//! `flyover lab fastpath`: the bypass on every node of a lab, as an agent each.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use flyover_fastpath::{Instance, Report};
use flyover_host::cmd::Cmd;
use flyover_lab::{Lab as Built, LabName};
use flyover_net::netns::Netns;

use super::fault;
use crate::cli::fault::{Exit, Fault};

/// How long an agent may take to be ready: an emulated verifier is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Verbs of `flyover lab fastpath`.
#[derive(Debug, Subcommand)]
pub(crate) enum Fastpath {
    /// Run an agent on every node; instances have the names of the nodes' namespaces.
    ///
    /// Example: flyover lab fastpath on --name lab -- --lease 500ms
    On(On),
    /// Remove FastPath from every node.
    Off(Off),
}

#[derive(Debug, Args)]
pub(crate) struct On {
    /// Name of the lab.
    #[arg(long, default_value = "lab")]
    name: LabName,
    /// More for `flyover fastpath run`.
    #[arg(last = true, value_name = "OPTION")]
    more: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Off {
    /// Name of the lab.
    #[arg(long, default_value = "lab")]
    name: LabName,
}

impl Fastpath {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::On(on) => turn_on(&open(&on.name)?, &on.more)?,
            Self::Off(off) => turn_off(&open(&off.name)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn open(name: &LabName) -> anyhow::Result<Built> {
    Built::open(name).map_err(|error| fault(&format!("failed to open lab `{name}`"), error))
}

fn root() -> PathBuf {
    std::env::var_os("FLYOVER_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// Where the agent of that namespace writes what it says.
fn log_of(netns: &str) -> PathBuf {
    root().join(format!("run/flyover/lab/{netns}.log"))
}

/// Runs an agent on every node, and waits until each is ready.
pub(crate) fn turn_on(lab: &Built, more: &[String]) -> anyhow::Result<()> {
    let mut agents = Vec::new();
    for node in lab.nodes() {
        let name = node.netns_name();
        let instance = Instance::new(&root(), &name)?;
        let log_path = log_of(&name);
        let log = std::fs::File::create(&log_path)
            .with_context(|| format!("failed to create {}", log_path.display()))?;
        let this = std::env::current_exe().context("failed to find the running program")?;
        let args =
            ["fastpath", "run", "--name", &name, "--uplink", node.uplink().as_str()].map(str::to_owned);
        let agent = Cmd::new(this).args(args.iter().chain(more));
        let child = node.netns()?.run(|| agent.daemon(log))??;
        agents.push((name, instance, log_path, child));
    }
    for (name, instance, log, mut child) in agents {
        let deadline = Instant::now() + PATIENCE;
        while !Report::read(&instance).is_ok_and(|report| report.pid == child.id()) {
            let ended = child.try_wait().context("failed to look at the agent")?;
            if ended.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Fault::new(
                    Exit::Failed,
                    format!("the agent of `{name}` did not start: {}", said.trim()),
                )
                .into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// Removes FastPath from every node of the lab.
pub(crate) fn turn_off(lab: &Built) -> anyhow::Result<()> {
    // All are tried, whatever becomes of the first.
    let ends: Vec<_> = lab.nodes().map(|node| remove(&node.netns_name())).collect();
    ends.into_iter().collect()
}

/// Removes the instance of that namespace, from inside it if it is still there, and what it wrote.
pub(crate) fn remove(netns: &str) -> anyhow::Result<()> {
    let instance = Instance::new(&root(), netns)?;
    if instance.exists() {
        match Netns::named(netns) {
            Ok(inside) => inside.run(|| flyover_fastpath::remove(&instance))??,
            Err(_) => flyover_fastpath::remove(&instance)?,
        }
    }
    let log = log_of(netns);
    match std::fs::remove_file(&log) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("failed to remove {}", log.display()))
        }
        _ => Ok(()),
    }
}
