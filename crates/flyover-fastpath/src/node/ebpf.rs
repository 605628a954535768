//! The node's process with the BPF back end: attaches, follows what changes, beats the heart.

use std::io;
use std::time::Duration;

use flyover_core::Flow;
use flyover_net::watch::{Event, Heard, LinkChange, Watch};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::scene::{Scene, Wanted};
use super::{Choice, NodeError, SETTLE, SURVEY_EVERY, Settings, devices, system};
use crate::attach::{Attachments, Means};
use crate::expedite::{self, Expedite};
use crate::instance::Instance;
use crate::inventory::Device;
use crate::programs::{Abilities, Hook, NodeTunnel, Programs};
use crate::report::{Report, ReportedConntrack, ReportedExpedite, monotonic_ticks};
use crate::{adopt, conntrack, heap, metrics};

/// What the process knows and holds.
struct Node {
    instance: Instance,
    programs: Programs,
    attachments: Attachments,
    to_attach: Wanted,
    scene: Scene,
    liberal_was: Option<String>,
    expedite: Expedite,
    beats: u32,
    tunnels: Vec<NodeTunnel>,
    route_mtus: Vec<(Option<u32>, u32)>,
    mtu: Option<u32>,
}

async fn route_mtus(handle: &rtnetlink::Handle) -> Result<Vec<(Option<u32>, u32)>, NodeError> {
    let listed = crate::inventory::route_mtus(handle).await;
    listed.map_err(|e| system("list routes")(io::Error::other(e)))
}

fn refused(source: libbpf_rs::Error) -> NodeError {
    NodeError::Load { source }
}

/// Makes the directories of the instance's pins, and the file system they are in where it is not mounted.
pub(super) fn make_pins(instance: &Instance) -> Result<(), NodeError> {
    if !instance.bpffs_is_there()? {
        let mut restore = instance.restore()?;
        restore.mounted_bpffs = true;
        instance.remember(&restore)?;
    }
    Ok(instance.make_pins()?)
}

/// Runs until `stop` is done; what is pinned stays.
pub(super) async fn run(
    instance: Instance,
    settings: Settings,
    handle: &rtnetlink::Handle,
    mut watch: Watch,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    if let Some(address) = settings.metrics {
        let listener =
            TcpListener::bind(address).await.map_err(|source| NodeError::Metrics { address, source })?;
        let instance = instance.clone();
        tokio::spawn(flyover_metrics::serve(listener, move || metrics::text(&instance)));
    }
    let devices = devices(handle, &settings).await?;
    let routes = route_mtus(handle).await?;
    let mut node = Node::start(instance, settings, devices, routes)?;
    let filter = watch.filter_conntrack(node.programs.conntrack_filter());
    filter.map_err(system("filter what conntrack announces"))?;
    let mut beat = tokio::time::interval((node.scene.settings.deadman / 3).min(Duration::from_secs(1)));
    let mut look_at = None;
    let mut choice = node.scene.settings.choice.clone();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            // What is announced comes first.
            biased;
            () = &mut stop => return Ok(()),
            heard = watch.next() => {
                let mut stale = node.hear(&heard);
                while let Some(heard) = watch.take_pending() {
                    stale |= node.hear(&heard);
                }
                if stale && look_at.is_none() {
                    look_at = Some(Instant::now() + SETTLE);
                }
            }
            _ = beat.tick() => node.beat()?,
            () = chosen(&mut choice) => node.follow()?,
            () = tokio::time::sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                look_at = None;
                node.look(handle).await?;
            }
            // Only who yields lets the runtime look for events and at the clock.
            () = tokio::task::yield_now(), if !node.to_attach.is_empty() => node.attach_next()?,
        }
    }
}

/// Waits until somebody chooses other pods.
async fn chosen(choice: &mut Option<watch::Receiver<Choice>>) {
    if let Some(choosing) = choice
        && choosing.changed().await.is_ok()
    {
        return;
    }
    // Nobody does, or does any more: what was chosen last holds.
    std::future::pending().await
}

impl Node {
    fn start(
        instance: Instance,
        settings: Settings,
        devices: Vec<Device>,
        route_mtus: Vec<(Option<u32>, u32)>,
    ) -> Result<Self, NodeError> {
        expedite::mend(&instance)?;
        let restore = instance.restore()?;
        let moved = adopt::is_of_another_namespace(&instance)?;
        let mut programs = Self::load(&instance)?;
        if moved {
            // They sit on devices there, which have the numbers of others here.
            super::detach_links(&instance).map_err(system("detach from another namespace's devices"))?;
        }
        programs.set_lease(settings.lease);
        // Nobody heard what changed since the last process ended.
        programs.revoke();
        let mut attachments = Attachments::adopt(&instance, settings.clsact)?;
        attachments.leave_other_means().map_err(system("detach what was attached otherwise"))?;
        let mut node = Self {
            expedite: Expedite::new(settings.may_expedite),
            instance,
            programs,
            attachments,
            to_attach: Wanted::new(),
            scene: Scene::new(settings, devices),
            liberal_was: restore.tcp_be_liberal,
            beats: 0,
            tunnels: Vec::new(),
            route_mtus,
            mtu: None,
        };
        node.follow()?;
        Ok(node)
    }

    /// Loads the programs, with the maps of an earlier process if they are of the same layout.
    fn load(instance: &Instance) -> Result<Programs, NodeError> {
        let pinned = instance.maps();
        let can = Abilities::of_kernel().map_err(refused)?;
        let (mut programs, adopted) =
            Programs::load_over(can, adopt::is_ours(instance)?.then_some(&*pinned)).map_err(refused)?;
        if !adopted {
            adopt::disown(instance)?;
            programs.pin_maps(&pinned).map_err(refused)?;
            adopt::own(instance)?;
        }
        tracing::debug!(adopted, "the programs are loaded");
        Ok(programs)
    }

    fn beat(&mut self) -> Result<(), NodeError> {
        self.programs.beat(self.scene.settings.deadman).map_err(refused)?;
        self.stay_last()?;
        // Where the kernel lists no hooks, entries tell that conntrack works.
        self.follow_conntrack()?;
        self.beats = self.beats.wrapping_add(1);
        // tcx programs, legacy rules and much of what pods do announce nothing.
        if self.scene.look_in_turn() {
            return self.follow();
        }
        if self.beats.is_multiple_of(SURVEY_EVERY) { self.follow_if_changed() } else { Ok(()) }
    }

    /// Others may attach behind us at any time, and nothing announces it.
    fn stay_last(&mut self) -> Result<(), NodeError> {
        for ifindex in self.scene.uplinks() {
            for hook in [Hook::FromWire, Hook::ToWire] {
                // An earlier process's program is replaced where it is.
                let ours = self.attachments.is_fresh(ifindex, hook);
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

    /// Revokes what an event may have made wrong; tells whether the node must be looked at again.
    fn hear(&mut self, heard: &Heard) -> bool {
        if let Some(nsid) = heard.nsid {
            // What happens inside a pod changes nothing of the node's path, but may be a reason to stay out of it.
            return self.scene.look_again(nsid);
        }
        match &heard.event {
            Event::ConntrackGone { orig, reply, .. } => {
                self.forget([*orig, *reply]);
                return false;
            }
            Event::Link { change: LinkChange::Gone, link } => self.attachments.lost(link.index),
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
        self.scene.devices = match devices(handle, &self.scene.settings).await {
            // An uplink that is gone may come again, under the same name.
            Err(NodeError::NoUplink { .. }) => crate::inventory::devices(handle)
                .await
                .map_err(|e| system("list devices")(io::Error::other(e)))?,
            devices => devices?,
        };
        self.route_mtus = route_mtus(handle).await?;
        self.follow()
    }

    fn follow_if_changed(&mut self) -> Result<(), NodeError> {
        if self.scene.look_around(&self.attachments) == self.scene.survey { Ok(()) } else { self.follow() }
    }

    /// Makes everything as the node is now asks for. The report tells that all of it is done.
    fn follow(&mut self) -> Result<(), NodeError> {
        self.follow_all()?;
        if self.to_attach.is_empty() { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<(), NodeError> {
        self.expedite.follow(&self.instance, 0)?;
        heap::give_back();
        self.report()
    }

    fn follow_all(&mut self) -> Result<(), NodeError> {
        self.scene.survey = self.scene.look_around(&self.attachments);
        let selectors: Vec<_> =
            self.scene.survey.judges.iter().map(|(selector, _)| selector.clone()).collect();
        self.programs.set_judges(&selectors);
        self.programs.set_paused(!self.scene.survey.paused.is_empty());
        self.follow_conntrack()?;
        self.follow_devices()
    }

    fn follow_conntrack(&mut self) -> Result<(), NodeError> {
        let in_use = self.scene.conntrack_in_use();
        let mut liberal = conntrack::be_liberal().is_none_or(|v| v != "0");
        if in_use && !liberal && self.scene.settings.may_set_liberal {
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

    /// What keeps every flow slow where conntrack is in use and its kernel has no types of it to load the programs with.
    fn mute(&self) -> Option<String> {
        let mute = self.scene.conntrack_in_use() && !self.programs.abilities().ask_conntrack;
        mute.then(|| {
            "conntrack is in use, and could not be asked about flows when the agent started: this kernel has no BTF \
             of nf_conntrack, or the module came later"
                .into()
        })
    }

    /// What fits every route that has an MTU of its own. The bypass asks devices only, so the smallest holds for all.
    fn largest_packet(&self) -> Option<u32> {
        let uplinks = self.scene.uplinks();
        let overhead = self.tunnels.iter().map(NodeTunnel::overhead).max().unwrap_or(0);
        let inner = |(device, mtu): &(Option<u32>, u32)| {
            // What goes by an uplink may be a tunnel's packet.
            let outer = device.is_none_or(|d| uplinks.contains(&d));
            if outer { mtu.saturating_sub(overhead).max(1) } else { *mtu }
        };
        self.route_mtus.iter().map(inner).min()
    }

    /// Attaches where something is missing, detaches where nothing is left to do.
    fn follow_devices(&mut self) -> Result<(), NodeError> {
        let tunnels = self.scene.tunnels();
        self.programs.set_tunnels(&tunnels);
        let mut changed = std::mem::replace(&mut self.tunnels, tunnels) != self.tunnels;
        let mtu = self.largest_packet();
        self.programs.set_mtu(mtu);
        changed |= std::mem::replace(&mut self.mtu, mtu) != mtu;
        self.scene.look_into_pods();
        let wanted = self.scene.wanted();
        let stale: Vec<_> =
            self.attachments.held().iter().filter(|at| !wanted.contains_key(at)).copied().collect();
        changed |= !stale.is_empty();
        for (ifindex, hook) in stale {
            self.attachments.detach(ifindex, hook).map_err(system("detach from a device"))?;
        }
        // What was learnt since the change was heard may lead by a tunnel that is gone, or into a pod that is left alone.
        if changed {
            self.programs.revoke();
        }
        let attachments = &self.attachments;
        self.to_attach = wanted
            .into_iter()
            .filter(|((ifindex, hook), _)| !attachments.is_fresh(*ifindex, *hook))
            .collect();
        Ok(())
    }

    /// Attaches one program of those that are missing. The kernel waits for a grace period of RCU each time, so
    /// between two of them the heart beats and events are heard.
    fn attach_next(&mut self) -> Result<(), NodeError> {
        self.expedite.follow(&self.instance, self.to_attach.len())?;
        let Some(((ifindex, hook), device)) = self.to_attach.pop_first() else { return Ok(()) };
        match self.attachments.attach(&self.programs, &device, (ifindex, hook)) {
            // One that went away since we listed it will not be listed by the next look.
            Err(e) if e.raw_os_error() != Some(libc::ENODEV) => {
                return Err(NodeError::Attach { device, source: e });
            }
            _ => {}
        }
        if self.to_attach.is_empty() { self.settle() } else { Ok(()) }
    }

    fn reported_expedite(&self) -> ReportedExpedite {
        let (allowed, times, total) = self.expedite.used();
        ReportedExpedite { allowed, times, total_ms: u64::try_from(total.as_millis()).unwrap_or(u64::MAX) }
    }

    fn report(&self) -> Result<(), NodeError> {
        let millis = |t: Duration| u64::try_from(t.as_millis()).unwrap_or(u64::MAX);
        let hertz = self.programs.hertz();
        let report = Report {
            name: self.instance.name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            backend: "ebpf".into(),
            attached_by: if self.attachments.means() == Means::Tcx { "tcx" } else { "clsact" }.into(),
            lease_ms: millis(self.scene.settings.lease),
            deadman_ms: millis(self.scene.settings.deadman),
            hertz,
            jiffies_at_zero: self.programs.jiffies().map_err(refused)?.wrapping_sub(monotonic_ticks(hertz)),
            uplinks: self.scene.reported_uplinks(),
            pods: self.scene.reported_pods(),
            tunnels: self.scene.reported_tunnels(),
            conntrack: ReportedConntrack {
                in_use: self.scene.conntrack_in_use(),
                can_be_asked: self.programs.abilities().ask_conntrack,
                be_liberal: conntrack::be_liberal().is_some_and(|v| v != "0"),
                be_liberal_was: self.liberal_was.clone(),
            },
            expedited: self.reported_expedite(),
            judges: self.scene.reported_judges(),
            paused: self.scene.survey.paused.iter().cloned().chain(self.mute()).collect(),
        };
        Ok(report.write(&self.instance)?)
    }
}
