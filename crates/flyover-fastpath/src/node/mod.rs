//! The node's process: attaches, follows what changes, beats the heart.
//!
//! Invariants: it acts in the network namespace in which it was started; when it ends, however it ends, packets keep
//! flowing, and only [`remove`] takes anything away.

mod survey;

use std::io;
use std::path::Path;
use std::time::Duration;

use flyover_core::{Flow, IfName, IfPattern};
use flyover_net::watch::{Event, Heard, Watch};

use self::survey::Survey;
use crate::attach::{Attachments, Means};
use crate::conntrack;
use crate::instance::{Instance, InstanceError};
use crate::inventory::{self, Device, Kind};
use crate::metrics;
use crate::programs::{Hook, NodeTunnel, Programs};
use crate::report::{Report, ReportedConntrack, ReportedDevice, ReportedTunnel, monotonic_ticks};

/// Changes come in bursts: what they revoke is revoked at once, what they ask to be read anew waits this long.
const SETTLE: Duration = Duration::from_millis(10);
/// Every so many heartbeats the node is looked at for what announces nothing.
const SURVEY_EVERY: u32 = 5;

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
    /// Where to serve metrics, if anywhere.
    pub metrics: Option<std::net::SocketAddr>,
}

/// Why the process could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It is not privileged.
    #[error("fastpath needs root (CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN)")]
    NotRoot,
    /// The kernel has no type information.
    #[error("this kernel has no BTF at `/sys/kernel/btf/vmlinux`")]
    NoBtf,
    /// There is no such uplink.
    #[error("there is no device `{0}`")]
    NoUplink(IfName),
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

/// The process.
struct Node {
    instance: Instance,
    settings: Settings,
    programs: Programs,
    attachments: Attachments,
    devices: Vec<Device>,
    liberal_was: Option<String>,
    survey: Survey,
    beats: u32,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// Runs the process until `stop` is done. The lock of `instance` is held meanwhile.
pub async fn run(
    instance: Instance,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    preflight()?;
    let _lock = instance.lock()?;
    let handle = netlink()?;
    let metrics = match settings.metrics {
        Some(address) => {
            Some(metrics::listen(address).await.map_err(|source| NodeError::Metrics { address, source })?)
        }
        None => None,
    };
    // Listen before looking, so that nothing falls in between.
    let mut watch = Watch::open().map_err(|e| system("listen to the kernel")(io::Error::other(e)))?;
    let mut node = Node::start(instance, settings, &handle).await?;
    let mut beat = tokio::time::interval((node.settings.deadman / 3).min(Duration::from_secs(1)));
    let mut look_at = None;
    if let Some(listener) = metrics {
        tokio::spawn(metrics::serve(listener, node.instance.clone()));
    }
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            _ = beat.tick() => node.beat()?,
            heard = watch.next() => {
                let mut stale = node.hear(&heard);
                while let Some(heard) = watch.take_pending() {
                    stale |= node.hear(&heard);
                }
                if stale && look_at.is_none() {
                    look_at = Some(tokio::time::Instant::now() + SETTLE);
                }
            }
            () = tokio::time::sleep_until(look_at.unwrap_or_else(tokio::time::Instant::now)), if look_at.is_some() => {
                look_at = None;
                node.look(&handle).await?;
            }
        }
    }
}

fn preflight() -> Result<(), NodeError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(NodeError::NotRoot);
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(NodeError::NoBtf);
    }
    Ok(())
}

fn netlink() -> Result<rtnetlink::Handle, NodeError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(system("open netlink"))?;
    tokio::spawn(connection);
    Ok(handle)
}

impl Node {
    async fn start(
        instance: Instance,
        settings: Settings,
        handle: &rtnetlink::Handle,
    ) -> Result<Self, NodeError> {
        let devices =
            inventory::devices(handle).await.map_err(|e| system("list devices")(io::Error::other(e)))?;
        for uplink in &settings.uplinks {
            let device =
                devices.iter().find(|d| d.name == *uplink).ok_or(NodeError::NoUplink(uplink.clone()))?;
            if matches!(device.kind, Kind::Tunnel(_) | Kind::Bridge) {
                return Err(NodeError::BadUplink(uplink.clone()));
            }
        }
        let mut restore = instance.restore()?;
        restore.mounted_bpffs |= instance.make_pins()?;
        instance.remember(&restore)?;
        let mut programs = Programs::load().map_err(|source| NodeError::Load { source })?;
        programs.set_lease(settings.lease);
        programs.beat(settings.deadman).map_err(|source| NodeError::Load { source })?;
        programs.pin_maps(&instance.maps()).map_err(|source| NodeError::Load { source })?;
        let attachments = Attachments::adopt(&instance, 1)?;
        let mut node = Self {
            instance,
            settings,
            programs,
            attachments,
            devices,
            liberal_was: restore.tcp_be_liberal,
            survey: Survey::default(),
            beats: 0,
        };
        node.follow()?;
        Ok(node)
    }

    fn beat(&mut self) -> Result<(), NodeError> {
        self.programs.beat(self.settings.deadman).map_err(|source| NodeError::Load { source })?;
        self.stay_last()?;
        self.beats = self.beats.wrapping_add(1);
        // tcx programs and legacy rules announce nothing.
        if self.beats.is_multiple_of(SURVEY_EVERY) { self.follow_if_changed() } else { Ok(()) }
    }

    /// Others may attach behind us at any time, and nothing announces it.
    fn stay_last(&mut self) -> Result<(), NodeError> {
        let uplinks: Vec<_> = self.devices.iter().filter(|d| self.is_uplink(d)).map(|d| d.ifindex).collect();
        for ifindex in uplinks {
            for hook in [Hook::FromWire, Hook::ToWire] {
                let ours = self.attachments.held().contains(&(ifindex, hook));
                if ours && self.attachments.overtaken(&self.programs, ifindex, hook) {
                    tracing::info!(
                        ifindex,
                        ?hook,
                        "another program was attached behind ours; moving behind it"
                    );
                    self.attachments
                        .attach_last(&self.programs, ifindex, hook)
                        .map_err(system("attach behind others"))?;
                    self.programs.revoke();
                }
            }
        }
        Ok(())
    }

    fn survey(&self) -> Survey {
        let uplinks: Vec<_> = self.devices.iter().filter(|d| self.is_uplink(d)).map(|d| d.ifindex).collect();
        survey::look(&self.devices, &uplinks, &self.attachments)
    }

    fn follow_if_changed(&mut self) -> Result<(), NodeError> {
        if self.survey() == self.survey { Ok(()) } else { self.follow() }
    }

    /// Makes everything as the node is now asks for.
    fn follow(&mut self) -> Result<(), NodeError> {
        self.survey = self.survey();
        self.programs.set_paused(!self.survey.paused.is_empty());
        self.follow_conntrack()?;
        self.follow_devices()?;
        self.report()
    }

    /// Revokes what an event may have made wrong; tells whether the node must be looked at again.
    fn hear(&mut self, heard: &Heard) -> bool {
        // What happens inside a pod changes nothing of the node's path.
        if heard.nsid.is_some() {
            return false;
        }
        match &heard.event {
            Event::ConntrackGone { orig, reply, .. } => {
                self.forget([*orig, *reply]);
                return false;
            }
            event => tracing::debug!(?event, "revoking all entries"),
        }
        self.programs.revoke();
        true
    }

    fn forget(&mut self, flows: [Flow; 2]) {
        for flow in flows {
            if let Err(error) = self.programs.forget(flow) {
                tracing::warn!(%flow, %error, "could not revoke one flow; revoking all");
                self.programs.revoke();
            }
        }
    }

    /// Looks at the node again, and does what its changes ask for.
    async fn look(&mut self, handle: &rtnetlink::Handle) -> Result<(), NodeError> {
        let devices =
            inventory::devices(handle).await.map_err(|e| system("list devices")(io::Error::other(e)))?;
        let same = devices == self.devices;
        self.devices = devices;
        if same { self.follow_if_changed() } else { self.follow() }
    }

    fn follow_conntrack(&mut self) -> Result<(), NodeError> {
        let in_use = self.conntrack_in_use();
        let mut liberal = conntrack::be_liberal().is_none_or(|v| v != "0");
        if in_use && !liberal && self.settings.may_set_liberal {
            let was = conntrack::be_liberal();
            let mut restore = self.instance.restore()?;
            restore.tcp_be_liberal = restore.tcp_be_liberal.or(was);
            self.instance.remember(&restore)?;
            conntrack::set_be_liberal("1").map_err(system("set nf_conntrack_tcp_be_liberal"))?;
            self.liberal_was = restore.tcp_be_liberal;
            liberal = true;
        }
        self.programs.set_conntrack(in_use, liberal);
        Ok(())
    }

    fn conntrack_in_use(&self) -> bool {
        self.survey.conntrack.unwrap_or_else(conntrack::has_entries)
    }

    fn out_because(&self, device: &Device) -> Vec<String> {
        self.survey.devices.get(&device.ifindex).cloned().unwrap_or_default()
    }

    fn is_uplink(&self, device: &Device) -> bool {
        self.settings.uplinks.contains(&device.name)
    }

    fn is_pod(&self, device: &Device) -> bool {
        let patterns = &self.settings.pods;
        let wanted = patterns.is_empty() || patterns.iter().any(|p| p.matches(&device.name));
        wanted
            && device.kind == Kind::Veth
            && device.peer_netns.is_some()
            && device.up
            && !self.is_uplink(device)
    }

    fn tunnels(&self) -> Vec<NodeTunnel> {
        let tunnel = |d: &Device| match d.kind {
            Kind::Tunnel(tunnel) => Some(NodeTunnel { ifindex: d.ifindex, tunnel }),
            _ => None,
        };
        self.devices.iter().filter_map(tunnel).collect()
    }

    /// Attaches where something is missing, detaches where nothing is left to do.
    fn follow_devices(&mut self) -> Result<(), NodeError> {
        self.programs.set_tunnels(&self.tunnels());
        let mut wanted = std::collections::BTreeMap::new();
        for device in self.devices.iter().filter(|d| self.out_because(d).is_empty()) {
            let hooks = if self.is_uplink(device) {
                [Hook::FromWire, Hook::ToWire]
            } else if self.is_pod(device) {
                [Hook::FromPod, Hook::ToPod]
            } else {
                continue;
            };
            wanted.extend(hooks.map(|hook| ((device.ifindex, hook), device.name.clone())));
        }
        let stale: Vec<_> =
            self.attachments.held().iter().filter(|at| !wanted.contains_key(at)).copied().collect();
        for (ifindex, hook) in stale {
            self.attachments.detach(ifindex, hook).map_err(system("detach from a device"))?;
        }
        for ((ifindex, hook), device) in wanted {
            match self.attachments.attach(&self.programs, ifindex, hook) {
                Ok(()) => {}
                // It went away since we listed it; the next look will not list it.
                Err(e) if e.raw_os_error() == Some(libc::ENODEV) => {}
                Err(source) => return Err(NodeError::Attach { device, source }),
            }
        }
        Ok(())
    }

    fn report(&self) -> Result<(), NodeError> {
        let device = |d: &Device| ReportedDevice {
            name: d.name.to_string(),
            ifindex: d.ifindex,
            out_because: Vec::new(),
        };
        let tunnel = |d: &Device| match d.kind {
            Kind::Tunnel(t) => Some(ReportedTunnel {
                name: d.name.to_string(),
                ifindex: d.ifindex,
                kind: if t.geneve { "geneve" } else { "vxlan" }.into(),
                vni: t.vni,
                port: t.port,
            }),
            _ => None,
        };
        let millis = |t: Duration| u64::try_from(t.as_millis()).unwrap_or(u64::MAX);
        let report = Report {
            name: self.instance.name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            backend: "ebpf".into(),
            attached_by: if self.attachments.means() == Means::Tcx { "tcx" } else { "clsact" }.into(),
            lease_ms: millis(self.settings.lease),
            deadman_ms: millis(self.settings.deadman),
            hertz: self.programs.hertz(),
            jiffies_at_zero: self
                .programs
                .jiffies()
                .map_err(|source| NodeError::Load { source })?
                .wrapping_sub(monotonic_ticks(self.programs.hertz())),
            uplinks: self.devices.iter().filter(|d| self.is_uplink(d)).map(device).collect(),
            pods: self.devices.iter().filter(|d| self.is_pod(d)).map(device).collect(),
            tunnels: self.devices.iter().filter_map(tunnel).collect(),
            conntrack: ReportedConntrack {
                in_use: self.conntrack_in_use(),
                be_liberal: conntrack::be_liberal().is_some_and(|v| v != "0"),
                be_liberal_was: self.liberal_was.clone(),
            },
            judges: Vec::new(),
            paused: self.survey.paused.clone(),
        };
        Ok(report.write(&self.instance)?)
    }
}

/// Ends the process of the instance, if one runs, and takes away everything the instance left. Safe to repeat.
pub fn remove(instance: &Instance) -> Result<(), NodeError> {
    if let Some(pid) = instance.holder().and_then(|p| p.parse().ok()) {
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
    // Links first: from here on every packet takes the slow path, and the setting is needed no longer.
    remove_links(instance)?;
    if let Some(was) = &restore.tcp_be_liberal {
        conntrack::set_be_liberal(was).map_err(system("restore nf_conntrack_tcp_be_liberal"))?;
    }
    drop(lock);
    Ok(instance.erase(restore.mounted_bpffs)?)
}

fn remove_links(instance: &Instance) -> Result<(), NodeError> {
    match std::fs::remove_dir_all(instance.links()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(system("detach the programs")(e)),
        _ => Ok(()),
    }
}
