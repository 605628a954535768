//! A cluster of the testkit for people: up until it is taken down, with all that is needed to use it.

use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::ensure;
use clap::{Args, Subcommand, ValueEnum};
use flyover_host::cmd::Cmd;
use flyover_testkit::cluster::{Cluster as Rig, Options, Proxy};

/// The name of the one cluster of the repository.
const NAME: &str = "cluster";

/// Raise a Kubernetes cluster on this machine, use it, and take it away.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Raise it and wait until its nodes are ready.
    Up(Up),
    /// Take it away; one that is not there is no error.
    Down,
    /// Run kubectl in it.
    Kubectl {
        /// What kubectl is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Give its nodes images: OCI layouts, as folders or archives.
    Load {
        /// The layouts.
        #[arg(required = true)]
        layouts: Vec<PathBuf>,
    },
    /// Cut a node's power.
    PowerOff {
        /// The node, counted from 1.
        node: u8,
    },
    /// Boot a node whose power was cut.
    PowerOn {
        /// The node, counted from 1.
        node: u8,
    },
    /// Run a command on a node.
    Exec {
        /// The node, counted from 1.
        node: u8,
        /// The command; a shell unless said.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Up {
    /// How many nodes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// What carries services.
    #[arg(long, value_enum, default_value_t = Carrier::Iptables)]
    proxy: Carrier,
    /// Hugepages of 2 MiB that the machine lends.
    #[arg(long, default_value_t = 0)]
    hugepages: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Carrier {
    Iptables,
    Nftables,
}

/// Our own end, as that of what ran.
fn code(status: ExitStatus) -> ExitCode {
    status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

impl Cluster {
    pub(crate) fn run(&self, root: &Path) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Up(up) => up.run(root).map(|()| ExitCode::SUCCESS),
            Verb::Down => Rig::take_down_named(NAME).map(|()| ExitCode::SUCCESS),
            Verb::Kubectl { arguments } => {
                let rig = Rig::open(NAME)?;
                let kubectl = Cmd::new(rig.tools().join("kubectl"))
                    .args([Path::new("--kubeconfig"), &rig.kubeconfig()]);
                Ok(code(kubectl.args(arguments).foreground()?))
            }
            Verb::Load { layouts } => {
                let rig = Rig::open(NAME)?;
                layouts.iter().try_for_each(|layout| rig.load_image(&layout.canonicalize()?))?;
                Ok(ExitCode::SUCCESS)
            }
            Verb::PowerOff { node } => with(*node)?.node(*node).kill().map(|()| ExitCode::SUCCESS),
            Verb::PowerOn { node } => with(*node)?.node(*node).start().map(|()| ExitCode::SUCCESS),
            Verb::Exec { node, command } => Ok(code(with(*node)?.enter(*node, command)?)),
        }
    }
}

impl Up {
    fn run(&self, root: &Path) -> anyhow::Result<()> {
        let start = Instant::now();
        let proxy = match self.proxy {
            Carrier::Iptables => Proxy::Iptables,
            Carrier::Nftables => Proxy::Nftables,
        };
        let options = Options::new(&root.join("target/cluster"), &root.join("target/tools/kubernetes"));
        let rig = Rig::up(&Options {
            nodes: self.nodes,
            proxy,
            hugepages: self.hugepages,
            keep: Some(NAME.into()),
            ..options
        })?;
        lend(&rig.kubeconfig())?;
        let mut out = std::io::stdout().lock();
        write!(out, "{}", rig.kubectl(&["get", "nodes", "--output=wide"])?)?;
        writeln!(
            out,
            "\nup after {:.1} s, with the image {}; logs are below {}",
            start.elapsed().as_secs_f64(),
            flyover_testkit::cluster::BUSYBOX,
            rig.logs().display()
        )?;
        writeln!(
            out,
            "\n  export KUBECONFIG={} PATH={}:$PATH",
            rig.kubeconfig().display(),
            rig.tools().display()
        )?;
        writeln!(
            out,
            "  cargo xtask cluster exec 1       a shell on node 1\n  make cluster-down                takes it away"
        )?;
        Ok(())
    }
}

/// The cluster, if it has that node.
fn with(node: u8) -> anyhow::Result<Rig> {
    let rig = Rig::open(NAME)?;
    let most = rig.nodes().count();
    ensure!((1..=most).contains(&node.into()), "there is no node {node}: they are 1 to {most}");
    Ok(rig)
}

/// Raised by `sudo`, a cluster is still for whoever asked.
fn lend(kubeconfig: &Path) -> anyhow::Result<()> {
    let id = |name: &str| std::env::var(name).ok().and_then(|id| id.parse().ok());
    if let (Some(user), Some(group)) = (id("SUDO_UID"), id("SUDO_GID")) {
        chown(kubeconfig, Some(user), Some(group))?;
    }
    Ok(())
}
