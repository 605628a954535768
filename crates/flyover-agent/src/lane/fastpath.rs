//! The FastPath lane: the process of `flyover fastpath run` as a thread of the agent, with a runtime of its own.
//!
//! Invariants: that the agent ends changes nothing, for what is pinned stays and the next agent adopts it; only taking back
//! takes it away. Nothing here waits for a packet.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use flyover_api::resource::{FastPathBackend, FastPathSpec, PlanSummary, Wanted};
use flyover_core::{Disturbance, IfName};
use flyover_fastpath::{Backend, Instance, Report, ReportedDevice, Settings};
use flyover_host::journal::Cause;
use flyover_net::netlink::Netlink;

use super::process::Process;
use super::summary::chain;
use super::{Done, Look, Removed, Runner, Sight};
use crate::pods::Chooser;

/// The one instance of a node.
pub(crate) const INSTANCE: &str = "default";
/// From the start of the process until it has attached all.
const START: Duration = Duration::from_secs(60);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// The primary network's bypass.
pub(crate) struct FastPathLane {
    instance: Instance,
    host_ip: Option<IpAddr>,
    running: Option<Process>,
    /// Of the wish that it runs for.
    hash: String,
    pods: Chooser,
}

/// Why a wish does not fit, and whether the node is at fault.
struct Misfit {
    why: String,
    impossible: bool,
}

impl FastPathLane {
    /// On the host below a root; where no uplink is named, it is the device that has `host_ip`. Which pods are chosen by
    /// what is wished comes by `pods`.
    pub(crate) fn new(root: &Path, host_ip: Option<IpAddr>, pods: &Chooser) -> Self {
        let instance = Instance::new(root, INSTANCE).expect("the name of the instance is a name");
        Self { instance, host_ip, running: None, hash: String::new(), pods: pods.clone() }
    }

    fn settings(&self, wanted: &Wanted) -> Result<Settings, Misfit> {
        let refused = |why, impossible| Misfit { why, impossible };
        let spec: FastPathSpec = serde_json::from_value(wanted.spec.clone().into()).map_err(|error| {
            refused(format!("the spec of FastPath {} cannot be read: {error}", wanted.from), false)
        })?;
        let uplinks = if spec.uplinks.is_empty() {
            vec![self.uplink().map_err(|why| refused(why, true))?]
        } else {
            spec.uplinks
        };
        self.pods.wish(spec.pods);
        Ok(Settings {
            uplinks,
            pods: Vec::new(),
            lease: Duration::from_millis(spec.lease_ms.into()),
            deadman: Duration::from_millis(spec.deadman_ms.into()),
            may_set_liberal: !spec.forbid_sysctl,
            may_expedite: !spec.forbid_sysctl,
            backend: match spec.backend {
                FastPathBackend::Auto => Backend::Auto,
                FastPathBackend::Ebpf => Backend::Ebpf,
                FastPathBackend::Nft => Backend::Nft,
            },
            clsact: false,
            metrics: None,
            choice: Some(self.pods.chosen.subscribe()),
        })
    }

    /// The device by which the other nodes reach this one.
    fn uplink(&self) -> Result<IfName, String> {
        let host_ip = self.host_ip.ok_or("no uplink is named, and the node's address is not known")?;
        let netlink = Netlink::open().map_err(|error| chain(&error))?;
        let addresses = netlink.addresses().map_err(|error| chain(&error))?;
        let index = addresses.iter().find(|(_, cidr)| cidr.addr() == host_ip).map(|(index, _)| *index);
        let links = netlink.links().map_err(|error| chain(&error))?;
        let device = links.into_iter().find(|link| Some(link.index) == index).map(|link| link.name);
        device.ok_or_else(|| format!("no device has the node's address {host_ip}, and no uplink is named"))
    }

    fn start(&mut self, settings: Settings, hash: &str) -> Result<(), String> {
        Process::end(&mut self.running)?;
        let instance = self.instance.clone();
        let began = SystemTime::now();
        self.running = Some(Process::start("fastpath", {
            let instance = instance.clone();
            move |stopped| flyover_fastpath::run(instance, settings, stopped)
        })?);
        hash.clone_into(&mut self.hash);
        let deadline = Instant::now() + START;
        let reported =
            || instance.report().metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at >= began);
        while !reported() {
            if let Some(why) = Process::why_it_ended(&mut self.running) {
                return Err(why);
            }
            if Instant::now() > deadline {
                return Err(format!("it has not attached its programs within {START:?}"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Runner for FastPathLane {
    fn look(&mut self, wanted: &Wanted) -> Look {
        let settings = match self.settings(wanted) {
            Ok(settings) => settings,
            Err(Misfit { why, impossible }) => return Look::Refused { why, impossible },
        };
        let ended = Process::why_it_ended(&mut self.running);
        match &self.running {
            Some(_) if self.hash == wanted.hash => match Report::read(&self.instance) {
                Ok(report) => {
                    self.pods.keep();
                    Look::Seen(Sight { notes: told(&report), ..Sight::default() })
                }
                Err(error) => Look::Blind(chain(&error)),
            },
            _ => {
                let steps = vec![format!(
                    "a process follows the node's network and attaches programs to {} and to the pods' devices",
                    settings.uplinks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                )];
                let plan = PlanSummary { hash: wanted.hash.clone(), steps, count: 1, reboot: None };
                let drift = vec![ended.unwrap_or_else(|| "the process does not run".to_owned())];
                let notes = absent(&settings.uplinks);
                Look::Seen(Sight { plan: Some(plan), needs: Disturbance::None, drift, notes })
            }
        }
    }

    fn resume(&mut self, wanted: &Wanted) {
        let Ok(settings) = self.settings(wanted) else { return };
        if let Err(error) = self.start(settings, &wanted.hash) {
            tracing::warn!(error, "the bypass did not start again");
        }
    }

    fn apply(&mut self, wanted: &Wanted, _allow: Disturbance, _cause: Cause) -> Done {
        let settings = match self.settings(wanted) {
            Ok(settings) => settings,
            Err(misfit) => return Done::Refused(misfit.why),
        };
        match self.start(settings, &wanted.hash) {
            Ok(()) => {
                let notes = Report::read(&self.instance).map(|report| told(&report)).unwrap_or_default();
                Done::Made { drift: Vec::new(), notes }
            }
            Err(why) => Done::Failed(why),
        }
    }

    fn look_back(&mut self) -> Look {
        Look::Seen(Sight::default())
    }

    fn remove(&mut self) -> Removed {
        let left = |message| Removed::Left { reason: "NotPutBack", message };
        let instance = self.instance.clone();
        if let Err(why) = Process::end(&mut self.running) {
            return left(why);
        }
        let receipt = if instance.exists() { receipt(&instance) } else { Vec::new() };
        self.pods.wishes.send_replace(None);
        match flyover_fastpath::remove(&instance) {
            Ok(()) => Removed::Clean(receipt),
            Err(error) => left(chain(&error)),
        }
    }

    fn journal(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Uplinks that are not there: one that is named may be mistyped, or come later.
fn absent(uplinks: &[IfName]) -> Vec<String> {
    let Ok(links) = Netlink::open().and_then(|netlink| netlink.links()) else { return Vec::new() };
    let there = |name: &IfName| links.iter().any(|link| link.name == *name);
    uplinks.iter().filter(|name| !there(name)).map(|name| format!("there is no device {name} now")).collect()
}

/// What is bypassed, and what is not and why.
fn told(report: &Report) -> Vec<String> {
    let on =
        |devices: &[ReportedDevice]| devices.iter().filter(|device| device.out_because.is_empty()).count();
    let mut notes = Vec::new();
    // The first is what everybody sees.
    if !report.paused.is_empty() {
        notes.push(format!("nothing is bypassed: {}", report.paused.join("; ")));
    }
    notes.push(format!(
        "{} of {} devices of pods and {} of {} uplinks are followed by {} ({})",
        on(&report.pods),
        report.pods.len(),
        on(&report.uplinks),
        report.uplinks.len(),
        report.backend,
        report.attached_by
    ));
    let out = report.uplinks.iter().chain(&report.pods).filter(|device| !device.out_because.is_empty());
    notes
        .extend(out.take(5).map(|out| format!("{} is left alone: {}", out.name, out.out_because.join("; "))));
    notes
}

/// What taking away takes away.
fn receipt(instance: &Instance) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(report) = Report::read(instance) {
        let devices =
            report.uplinks.iter().chain(&report.pods).filter(|device| device.out_because.is_empty());
        lines.push(format!("programs of {} devices: detached", devices.count()));
    }
    if let Ok(restore) = instance.restore() {
        if let Some(was) = restore.tcp_be_liberal {
            lines.push(format!("nf_conntrack_tcp_be_liberal: {was}, as it was found"));
        }
        if restore.nft_table {
            lines.push("the table of nftables: removed".to_owned());
        }
        if restore.mounted_bpffs {
            lines.push("the BPF file system: unmounted where nobody else uses it".to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod root {
    use std::collections::BTreeSet;

    use flyover_fastpath::Choice;
    use flyover_host::cmd::Cmd;
    use flyover_net::netns::Netns;
    use tokio::sync::watch;

    use super::*;

    /// A node with a pod and a wire, each a network namespace.
    struct Nets([String; 3]);

    impl Nets {
        fn new() -> Self {
            let names = ["node", "pod", "wire"].map(|what| format!("fo-lane-{}-{what}", std::process::id()));
            let nets = Self(names);
            nets.0.iter().for_each(|name| drop(Netns::create(name).unwrap()));
            let [node, pod, wire] = &nets.0;
            for arguments in [
                format!("-n {node} link add p0 type veth peer name eth0 netns {pod}"),
                format!("-n {node} link add up0 type veth peer name w0 netns {wire}"),
                format!("-n {pod} addr add 10.244.0.2/24 dev eth0"),
                format!("-n {node} addr add 10.9.0.1/24 dev up0"),
                format!("-n {pod} link set eth0 up"),
                format!("-n {wire} link set w0 up"),
                format!("-n {node} link set p0 up"),
                format!("-n {node} link set up0 up"),
            ] {
                Cmd::new("ip").args(arguments.split(' ')).run().unwrap();
            }
            nets
        }
    }

    impl Drop for Nets {
        fn drop(&mut self) {
            // What cannot be taken away is told by whoever looks for it.
            self.0.iter().for_each(|name| drop(Netns::delete(name)));
        }
    }

    fn wanted() -> Wanted {
        let spec = serde_json::json!({"forbidSysctl": true, "backend": "ebpf"});
        let spec = spec.as_object().unwrap().clone();
        Wanted { from: "f".to_owned(), generation: 1, hash: "h".to_owned(), spec }
    }

    fn lane(root: &Path, pods: &Chooser) -> FastPathLane {
        let mut lane = FastPathLane::new(root, Some("10.9.0.1".parse().unwrap()), pods);
        lane.instance = Instance::new(root, &format!("lane-{}", std::process::id())).unwrap();
        lane
    }

    /// What is told, once it begins so.
    fn told(lane: &mut FastPathLane, begin: &str) {
        let deadline = Instant::now() + START;
        loop {
            let look = lane.look(&wanted());
            let Look::Seen(sight) = &look else { panic!("{look:?}") };
            assert_eq!(sight.plan, None);
            if sight.notes[0].starts_with(begin) {
                return;
            }
            assert!(Instant::now() < deadline, "{begin}: {:?}", sight.notes);
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn the_bypass_comes_heeds_a_choice_is_adopted_and_goes() {
        let (nets, root) = (Nets::new(), tempfile::tempdir().unwrap());
        let chosen = watch::Sender::new(Choice::default());
        let kept = root.path().join("choice.json");
        let pods = Chooser { wishes: watch::Sender::new(None), chosen: chosen.clone(), kept };
        let work = || {
            let mut first = lane(root.path(), &pods);
            assert!(matches!(first.look(&wanted()), Look::Seen(Sight { plan: Some(_), .. })));
            let notes =
                vec!["1 of 1 devices of pods and 1 of 1 uplinks are followed by ebpf (tcx)".to_owned()];
            let made = Done::Made { drift: Vec::new(), notes };
            assert_eq!(first.apply(&wanted(), Disturbance::None, Cause::Asked), made);
            told(&mut first, "1 of 1 devices of pods and 1 of 1 uplinks");
            let pod: IpAddr = "10.244.0.2".parse().unwrap();
            chosen.send_modify(|choice| choice.not = [pod].into());
            told(&mut first, "0 of 1 devices of pods");
            chosen.send_modify(|choice| choice.not = BTreeSet::new());
            told(&mut first, "1 of 1 devices of pods");
            // What says that the bypass rests comes before what it would follow.
            let policy = |verb| {
                let line = format!("xfrm policy {verb} src 192.0.2.0/24 dst 198.51.100.0/24 dir fwd");
                Cmd::new("ip").args(line.split(' ')).run().unwrap();
            };
            policy("add");
            told(&mut first, "nothing is bypassed: 1 IPsec policies");
            policy("delete");
            told(&mut first, "1 of 1 devices of pods");
            // The agent ends, and another one begins.
            Process::end(&mut first.running).unwrap();
            let mut second = lane(root.path(), &pods);
            assert!(second.instance.exists());
            second.resume(&wanted());
            told(&mut second, "1 of 1 devices of pods");
            let removed = second.remove();
            let Removed::Clean(receipt) = &removed else { panic!("{removed:?}") };
            assert_eq!(receipt[0], "programs of 2 devices: detached");
            // Whether it had to be mounted is the machine's business.
            let rest = &receipt[1..];
            assert!(rest.iter().all(|line| line.starts_with("the BPF file system: ")), "{rest:?}");
            assert!(!second.instance.exists());
        };
        Netns::named(&nets.0[0]).unwrap().run(work).unwrap();
    }
}
