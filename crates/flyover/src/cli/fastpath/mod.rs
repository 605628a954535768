//! `flyover fastpath`: the node's process, and questions about it.

mod dry;
mod read;

use std::process::ExitCode;
use std::time::Duration;

use super::fault::{Exit, Fault};
use anyhow::Context;
use clap::{Args, Subcommand};
use flyover_core::{IfName, IfPattern};
use flyover_fastpath::{Instance, InstanceError, NodeError, Settings};
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

/// An entry that ends sooner would be renewed by every other packet.
const SHORTEST_LEASE: Duration = Duration::from_millis(10);
/// The heart beats three times as often.
const SHORTEST_DEADMAN: Duration = Duration::from_millis(300);
/// What is revoked later than this is not revoked.
const LONGEST: Duration = Duration::from_secs(3600);

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
    /// How to accelerate: BPF programs, nftables NOTRACK for the tunnel's outer flow, or what this kernel can.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// How long an entry holds before a packet must prove it again.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    lease: Duration,
    /// After how long without a heartbeat the bypass turns itself off.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    deadman: Duration,
    /// Address to serve Prometheus metrics on, such as 127.0.0.1:9475; the nft back end has none.
    #[arg(long)]
    metrics: Option<std::net::SocketAddr>,
    /// Never set `nf_conntrack_tcp_be_liberal`; TCP flows that conntrack tracks then stay slow.
    #[arg(long)]
    no_liberal: bool,
    /// Never turn `/sys/kernel/rcu_expedited` on while many programs are attached; each then takes some 13 ms.
    #[arg(long)]
    no_expedite: bool,
    /// Attach by clsact filters also where the kernel knows tcx (since 6.6), which is faster.
    #[arg(long)]
    clsact: bool,
    /// Say what would be done and gained, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: a report of `flyover bench compare -o json` to take the gain from.
    #[arg(long, value_name = "REPORT", requires = "dry_run")]
    measured: Option<std::path::PathBuf>,
    /// With --dry-run: how to print.
    #[arg(short, long, value_enum, requires = "dry_run")]
    output: Option<super::Output>,
}

/// `--backend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// BPF where the kernel can, else nftables.
    #[default]
    Auto,
    /// BPF programs.
    Ebpf,
    /// nftables NOTRACK.
    Nft,
}

impl From<Backend> for flyover_fastpath::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => Self::Auto,
            Backend::Ebpf => Self::Ebpf,
            Backend::Nft => Self::Nft,
        }
    }
}

impl Which {
    fn instance(&self) -> anyhow::Result<Instance> {
        Instance::new(&self.root, &self.name).map_err(|error| fault(error.into()))
    }
}

impl Run {
    fn settings(&self) -> anyhow::Result<Settings> {
        for (option, value, least) in
            [("--lease", self.lease, SHORTEST_LEASE), ("--deadman", self.deadman, SHORTEST_DEADMAN)]
        {
            if !(least..=LONGEST).contains(&value) {
                let what = format!("{option} cannot be {}", humantime::format_duration(value));
                let range = [least, LONGEST].map(|d| humantime::format_duration(d).to_string());
                return Err(Fault::new(Exit::Usage, what)
                    .hint(format!("from {} to {}", range[0], range[1]))
                    .into());
            }
        }
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
            may_expedite: !self.no_expedite,
            clsact: self.clsact,
            metrics: self.metrics,
            choice: None,
            backend: self.backend.into(),
        })
    }
}

impl Fastpath {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(run) if run.dry_run => dry::run(&run)?,
            Self::Run(run) => foreground(&run)?,
            Self::Off(which) => flyover_fastpath::remove(&which.instance()?)?,
            Self::Status(status) => status.run()?,
            Self::Flows(flows) => flows.run()?,
            Self::Why(why) => why.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")
}

fn foreground(run: &Run) -> anyhow::Result<()> {
    let (instance, settings) = (run.which.instance()?, run.settings()?);
    runtime()?.block_on(async {
        let mut term = signal(SignalKind::terminate()).context("failed to listen for signals")?;
        let mut int = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
        let stop = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        flyover_fastpath::run(instance, settings, stop).await.map_err(fault)
    })
}

/// Says how it ends, and what can be done about it.
fn fault(error: NodeError) -> anyhow::Error {
    let (exit, hint) = match &error {
        NodeError::NotRoot => (Exit::Failed, "run it with sudo, or as a privileged container".to_owned()),
        NodeError::NoBtf => (
            Exit::Impossible,
            "this kernel was built without CONFIG_DEBUG_INFO_BTF; --backend nft needs none".into(),
        ),
        NodeError::NoBpf => (
            Exit::Impossible,
            "it needs CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_ACT and CAP_BPF; --backend nft needs none".into(),
        ),
        NodeError::NoUplink { known, .. } => (Exit::Usage, format!("devices here: {}", known.join(", "))),
        NodeError::BadUplink(_) => {
            (Exit::Usage, "name the device below the tunnel or bridge, the one toward the wire".into())
        }
        NodeError::Instance(InstanceError::Taken { .. }) => (
            Exit::Failed,
            "give this one another --name, or end the other with `flyover fastpath off`".into(),
        ),
        NodeError::Instance(InstanceError::BadName(_)) => (Exit::Usage, "choose another --name".into()),
        NodeError::Instance(InstanceError::NoBpffs { .. }) => {
            (Exit::Impossible, "mount it: mount -t bpf bpf /sys/fs/bpf".into())
        }
        NodeError::Instance(InstanceError::BadBpffs { path, .. }) => (
            Exit::Impossible,
            format!(
                "see `ls -ld {0}` and `findmnt {0}`: it must be mounted rw and be its owner's; --backend nft needs none",
                path.display()
            ),
        ),
        NodeError::Load { .. } => (
            Exit::Impossible,
            "FLYOVER_LOG=debug shows what the verifier said; --backend nft needs no programs".into(),
        ),
        NodeError::Notrack { .. } => (Exit::Impossible, "the nft back end needs the tool nft".into()),
        NodeError::Metrics { .. } => (Exit::Failed, "choose another address for --metrics".into()),
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(Fault::new(exit, "failed to run fastpath").hint(hint))
}
