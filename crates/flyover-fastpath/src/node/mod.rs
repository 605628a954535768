//! The node's process: attaches, follows what changes, beats the heart.
//!
//! Invariants: it acts in the network namespace in which it was started; when it ends, however it ends, packets keep
//! flowing, and only [`remove`] takes anything away.

mod choice;
mod dry;
mod ebpf;
mod nft;
mod pods;
mod probe;
mod scene;
mod survey;

use std::io;
use std::time::Duration;

use flyover_core::{IfName, IfPattern};
use flyover_net::watch::Watch;
use tokio::sync::watch;

pub use choice::Choice;
pub use dry::forecast;

use crate::conntrack;
use crate::expedite::{self, Expedite};
use crate::filters::Filters;
use crate::instance::{Instance, InstanceError};
use crate::inventory::{self, Device, Kind};
use crate::notrack;
use crate::report::{Report, ReportedDevice, ReportedTunnel};
use crate::tcx;

/// Changes come in bursts: what they revoke is revoked at once, what they ask to be read anew waits this long.
const SETTLE: Duration = Duration::from_millis(10);
/// Every so many heartbeats the node is looked at for what announces nothing.
const SURVEY_EVERY: u32 = 10;

/// How to accelerate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// BPF where the kernel can, else nftables.
    #[default]
    Auto,
    /// BPF programs.
    Ebpf,
    /// nftables NOTRACK for the tunnel's outer flow.
    Nft,
}

/// What the node's process is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Devices toward the wire.
    pub uplinks: Vec<IfName>,
    /// Devices of pods; empty means every veth whose other end is in another namespace.
    pub pods: Vec<IfPattern>,
    /// How long an entry holds.
    pub lease: Duration,
    /// After how long without a heartbeat the bypass ends.
    pub deadman: Duration,
    /// Whether `nf_conntrack_tcp_be_liberal` may be set.
    pub may_set_liberal: bool,
    /// Whether `/sys/kernel/rcu_expedited` may be turned on while many programs are attached.
    pub may_expedite: bool,
    /// How to accelerate.
    pub backend: Backend,
    /// Whether to attach by clsact filters also where the kernel knows tcx.
    pub clsact: bool,
    /// Where to serve metrics, if anywhere.
    pub metrics: Option<std::net::SocketAddr>,
    /// Which pods somebody wants, where somebody is asked; a change is heeded at once.
    pub choice: Option<watch::Receiver<Choice>>,
}

/// Why the process could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It is not privileged.
    #[error("fastpath needs root")]
    NotRoot,
    /// The kernel has no type information.
    #[error("this kernel has no BTF at `/sys/kernel/btf/vmlinux`")]
    NoBtf,
    /// The kernel lets nobody, or not us, load programs.
    #[error("this kernel loads no BPF programs for traffic control")]
    NoBpf,
    /// There is no such uplink.
    #[error("there is no device `{uplink}` to be an uplink")]
    NoUplink {
        /// What was asked for.
        uplink: IfName,
        /// What there is.
        known: Vec<String>,
    },
    /// An uplink's name is a pod's.
    #[error("device `{0}` is not an Ethernet device that can be an uplink")]
    BadUplink(IfName),
    /// Its places cannot be used.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The kernel refused the programs.
    #[error("failed to load the BPF programs")]
    Load {
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
    /// A program could not be attached.
    #[error("failed to attach to `{device}`")]
    Attach {
        /// The device.
        device: IfName,
        /// What the system said.
        source: io::Error,
    },
    /// The metrics' address cannot be listened on.
    #[error("failed to serve metrics on {address}")]
    Metrics {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The nftables table could not be put in place.
    #[error("failed to leave the tunnel's packets untracked")]
    Notrack {
        /// What the tool said.
        source: flyover_host::cmd::CmdError,
    },
    /// The kernel did not answer.
    #[error("failed to {verb}")]
    System {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn system(verb: &'static str) -> impl FnOnce(io::Error) -> NodeError {
    move |source| NodeError::System { verb, source }
}

/// Runs the process until `stop` is done. The lock of `instance` is held meanwhile.
pub async fn run(
    instance: Instance,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(NodeError::NotRoot);
    }
    let existed = instance.exists();
    let lock = instance.lock()?;
    let ended = run_locked(instance.clone(), settings, stop).await;
    drop(lock);
    // A start that failed leaves nothing; a process that failed later leaves what a dead one leaves.
    if let Err(error) = &ended
        && !existed
        && !instance.report().exists()
    {
        let unusable = matches!(
            error,
            NodeError::Instance(InstanceError::BadBpffs { .. } | InstanceError::NoBpffs { .. })
        );
        // Where nothing can be made, nothing was; to look for it would only fail in the same way.
        let removed =
            if unusable { instance.erase_files().map_err(NodeError::from) } else { remove(&instance) };
        if let Err(left) = removed {
            tracing::warn!(error = %left, "something of the start that failed was left");
        }
    }
    ended
}

async fn run_locked(
    instance: Instance,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(system("open netlink"))?;
    tokio::spawn(connection);
    // Listen before looking, so that nothing falls in between.
    let watch = Watch::open().map_err(|e| system("listen to the kernel")(io::Error::other(e)))?;
    let lack = || probe::lack(&instance).or_else(|| ebpf::make_pins(&instance).err());
    match (settings.backend, if settings.backend == Backend::Nft { None } else { lack() }) {
        (Backend::Ebpf, Some(lack)) => Err(lack),
        (Backend::Auto, None) if probe::conntrack_is_mute() => {
            tracing::info!(because = probe::MUTE, "the tunnel's outer flow is left untracked instead");
            remove_programs(&instance)?;
            nft::run(instance, settings, &handle, watch, stop).await
        }
        (Backend::Auto | Backend::Ebpf, None) => {
            remove_table(&instance)?;
            ebpf::run(instance, settings, &handle, watch, stop).await
        }
        (backend, lack) => {
            if let Some(lack) = lack.filter(|_| backend == Backend::Auto) {
                tracing::info!(because = %lack, "the tunnel's outer flow is left untracked instead");
            }
            remove_programs(&instance)?;
            nft::run(instance, settings, &handle, watch, stop).await
        }
    }
}

/// The devices of the namespace, among which the uplinks must be.
async fn devices(handle: &rtnetlink::Handle, settings: &Settings) -> Result<Vec<Device>, NodeError> {
    let devices =
        inventory::devices(handle).await.map_err(|e| system("list devices")(io::Error::other(e)))?;
    for uplink in &settings.uplinks {
        let device = devices.iter().find(|d| d.name == *uplink).ok_or_else(|| NodeError::NoUplink {
            uplink: uplink.clone(),
            known: devices.iter().map(|d| d.name.to_string()).collect(),
        })?;
        if matches!(device.kind, Kind::Tunnel(_) | Kind::Bridge) {
            return Err(NodeError::BadUplink(uplink.clone()));
        }
    }
    Ok(devices)
}

fn reported<'a>(
    devices: impl Iterator<Item = &'a Device>,
    out_because: impl Fn(&Device) -> Vec<String>,
) -> Vec<ReportedDevice> {
    let report = |d: &Device| ReportedDevice {
        name: d.name.to_string(),
        ifindex: d.ifindex,
        out_because: out_because(d),
        forgoes: None,
    };
    devices.map(report).collect()
}

fn reported_tunnels(devices: &[Device]) -> Vec<ReportedTunnel> {
    let report = |d: &Device| match d.kind {
        Kind::Tunnel(t) => Some(ReportedTunnel {
            name: d.name.to_string(),
            ifindex: d.ifindex,
            kind: if t.geneve { "geneve" } else { "vxlan" }.into(),
            vni: t.vni,
            port: t.port,
        }),
        _ => None,
    };
    devices.iter().filter_map(report).collect()
}

/// Ends the process of the instance, if one runs, and takes away everything the instance left. Safe to repeat.
pub fn remove(instance: &Instance) -> Result<(), NodeError> {
    let holder = instance.holder().filter(|pid| instance.is_held_by(pid));
    if let Some(pid) = holder.and_then(|p| p.parse().ok()) {
        let pid = nix::unistd::Pid::from_raw(pid);
        // It may have ended by itself since we looked.
        let _ended = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while instance.holder().is_some() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    if !instance.exists() {
        return Ok(());
    }
    let lock = instance.lock()?;
    let restore = instance.restore()?;
    // Programs first: from here on every packet takes the slow path, and the setting is needed no longer.
    let programs = remove_programs(instance);
    let mut liberal = Ok(());
    if let Some(was) = &restore.tcp_be_liberal {
        // Conntrack has not seen most of the connections that were bypassed, and would call the rest of them invalid.
        if let Err(error) = flyover_net::conntrack::forgive_tcp() {
            tracing::warn!(%error, "connections that were bypassed may end when conntrack is strict again");
        }
        liberal = conntrack::set_be_liberal(was).map_err(system("restore nf_conntrack_tcp_be_liberal"));
    }
    let table = remove_table(instance);
    // What went wrong first is told; its record stays for the next attempt.
    programs.and(liberal).and(table)?;
    drop(lock);
    Ok(instance.erase(restore.mounted_bpffs)?)
}

/// Takes away what the nft back end made.
fn remove_table(instance: &Instance) -> Result<(), NodeError> {
    let mut restore = instance.restore()?;
    if restore.nft_table {
        notrack::remove(instance.name()).map_err(|source| NodeError::Notrack { source })?;
        restore.nft_table = false;
        instance.remember(&restore)?;
    }
    Ok(())
}

/// Takes away what the BPF back end attached.
fn remove_programs(instance: &Instance) -> Result<(), NodeError> {
    let links = std::fs::read_dir(instance.links()).map_or(0, Iterator::count);
    let allowed = Report::read(instance).is_ok_and(|report| report.expedited.allowed);
    Expedite::new(allowed).follow(instance, links)?;
    let removed = if links > 0 { remove_links(instance) } else { Ok(()) };
    expedite::mend(instance)?;
    removed?;
    Filters::read(instance.run_dir())?.remove().map_err(system("detach the programs"))
}

fn detach_links(instance: &Instance) -> io::Result<()> {
    for link in std::fs::read_dir(instance.links())? {
        tcx::take_away(&link?.path())?;
    }
    Ok(())
}

fn remove_links(instance: &Instance) -> Result<(), NodeError> {
    match detach_links(instance) {
        // What is no link is removed with the directory below.
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(error = %e, "a link was not detached")
        }
        _ => {}
    }
    match std::fs::remove_dir_all(instance.links()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(system("detach the programs")(e)),
        _ => Ok(()),
    }
}
