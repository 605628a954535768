//! A lab with the bypass on, and the means to look into it.
//!
//! Invariant: the lab, its agents and all they left are gone when the rig is, also after a panic.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use flyover_core::{Flow, Proto};
use flyover_fastpath::{Books, Instance, Report};
use flyover_host::cmd::Cmd;
use flyover_lab::{Lab, LabSpec, Labs, Place, RuleForm};
use flyover_net::netns::Netns;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::udp::{Echo, Sender};

/// Long enough for anything that is not promised within a time.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// A lab and the root its records are below.
pub(super) struct Rig {
    pub(super) lab: Lab,
    root: TempDir,
}

impl Rig {
    /// A lab of two nodes with nftables rules, without bypass, its specification changed as the test likes.
    pub(super) fn slow(name: &str, change: impl FnOnce(&mut LabSpec)) -> Self {
        let name = format!("fl-{name}-{}", std::process::id()).parse().unwrap();
        let mut spec = LabSpec { services: 3, rules: RuleForm::Nft, ..LabSpec::new(name) };
        change(&mut spec);
        let root = tempfile::tempdir().unwrap();
        let lab = Labs::below(root.path()).up(&spec).unwrap();
        Self { lab, root }
    }

    /// The same with the bypass on.
    pub(super) fn fast(name: &str, change: impl FnOnce(&mut LabSpec), options: &[&str]) -> Self {
        let rig = Self::slow(name, change);
        rig.on(options);
        rig
    }

    /// The same with a flow of small datagrams that is bypassed all the way, to a port 3000 above the one it is from.
    pub(super) fn streaming(name: &str, port: u16, options: &[&str]) -> (Self, Flow, Sender, Echo) {
        let rig = Self::fast(name, |_| {}, options);
        let flow = rig.udp(port, port + 3_000);
        let (sender, echo) = rig.stream(flow);
        rig.wait_fast_all(flow);
        (rig, flow, sender, echo)
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs the program as a person would, and returns what it said and how it ended.
    pub(super) fn flyover(&self, args: &[&str]) -> Output {
        let mut flyover = Command::new(env!("CARGO_BIN_EXE_flyover"));
        flyover.args(args).env("FLYOVER_ROOT", self.root.path()).output().unwrap()
    }

    /// An agent of its own in a node, besides the lab's.
    pub(super) fn agent(&self, node: &str, options: &[&str]) -> Child {
        let mut flyover = Command::new(env!("CARGO_BIN_EXE_flyover"));
        flyover.args(["fastpath", "run"]).args(options).env("FLYOVER_ROOT", self.root.path());
        self.netns(node).run(|| flyover.spawn()).unwrap().unwrap()
    }

    fn lab_verb(&self, verb: &[&str], more: &[&str]) {
        let ran = self.flyover(&[&["lab"], verb, &["--name", self.lab.name().as_str()], more].concat());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Starts an agent on every node.
    pub(super) fn on(&self, options: &[&str]) {
        self.lab_verb(&["fastpath", "on"], &[&["--"], options].concat());
    }

    /// Removes the bypass from every node.
    pub(super) fn off(&self) {
        self.lab_verb(&["fastpath", "off"], &[]);
    }

    /// What `fastpath` says on a node, as JSON.
    pub(super) fn ask(&self, node: u8, question: &[&str]) -> serde_json::Value {
        let name = self.lab.node(node).unwrap().netns_name();
        let ran = self.flyover(&[&["fastpath"], question, &["--name", &name, "-o", "json"]].concat());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    /// The reasons `why` gives on a node, in one text.
    pub(super) fn why(&self, node: u8, subject: &str) -> String {
        self.ask(node, &["why", subject])["because"].to_string()
    }

    /// Sends a signal to the agents of all nodes, and waits until they are gone if it ends them.
    pub(super) fn signal(&self, signal: Signal) {
        for node in self.lab.nodes() {
            let instance = self.instance(node.index());
            kill(Pid::from_raw(instance.holder().unwrap().parse().unwrap()), signal).unwrap();
            if matches!(signal, Signal::SIGKILL | Signal::SIGTERM) {
                eventually("the agent ends", || instance.holder().is_none());
            }
        }
    }

    pub(super) fn instance(&self, node: u8) -> Instance {
        Instance::new(self.root.path(), &self.lab.node(node).unwrap().netns_name()).unwrap()
    }

    pub(super) fn books(&self, node: u8) -> Books {
        Books::open(&self.instance(node)).unwrap()
    }

    pub(super) fn report(&self, node: u8) -> Report {
        Report::read(&self.instance(node)).unwrap()
    }

    pub(super) fn netns(&self, place: &str) -> Netns {
        self.lab.netns(place.parse::<Place>().unwrap()).unwrap()
    }

    /// Runs a tool at a place; the words of the line are its arguments.
    pub(super) fn at(&self, place: &str, line: &str) -> String {
        self.try_at(place, line).unwrap()
    }

    pub(super) fn try_at(&self, place: &str, line: &str) -> Result<String, flyover_host::cmd::CmdError> {
        let mut words = line.split_whitespace();
        let command = Cmd::new(words.next().unwrap()).args(words);
        self.netns(place).run(|| command.run()).unwrap()
    }

    pub(super) fn pod_ip(&self, node: u8, pod: u8) -> Ipv4Addr {
        self.lab.pod(node, pod).unwrap().v4().unwrap()
    }

    /// A UDP flow from the first pod of the first node to the first of the second.
    pub(super) fn udp(&self, from: u16, to: u16) -> Flow {
        let end = |node, port| SocketAddr::new(self.pod_ip(node, 1).into(), port);
        Flow { proto: Proto::Udp, src: end(1, from), dst: end(2, to) }
    }

    /// Packets of that direction that a node was spared: of entries it enters or leaves as.
    pub(super) fn bypassed(&self, node: u8, flow: Flow) -> u64 {
        let flows = self.books(node).flows().unwrap();
        let of = |f: &&flyover_fastpath::FlowEntry| [f.flow(), f.translated()].contains(&Some(flow));
        flows.iter().filter(of).map(|f| f.way.packets).sum()
    }

    /// Packets that were slow for that reason.
    pub(super) fn slow_for(&self, node: u8, reason: &str) -> u64 {
        let reasons = self.books(node).reasons().unwrap();
        reasons.iter().filter(|(r, _)| r.name == reason).map(|(_, n)| n).sum()
    }

    /// Waits until that direction is bypassed on a node, more than a few packets of it.
    pub(super) fn wait_fast(&self, node: u8, flow: Flow) {
        let before = self.bypassed(node, flow);
        let deadline = Instant::now() + PATIENCE;
        while self.bypassed(node, flow) < before + 20 {
            assert!(
                Instant::now() < deadline,
                "n{node} does not bypass {flow}: {} {:?}",
                self.why(node, &flow.to_string()),
                self.books(node).reasons().unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The same on both nodes and in both directions.
    pub(super) fn wait_fast_all(&self, flow: Flow) {
        for node in [1, 2] {
            self.wait_fast(node, flow);
            self.wait_fast(node, flow.reversed());
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.lab_verb(&["down"], &[]);
    }
}

/// Waits for something that comes about by itself.
pub(super) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in {PATIENCE:?} it did not come about that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Prints a number we promise, and holds it to a bound that a busy machine keeps too.
pub(super) fn measured(what: &str, value: Duration, bound: Duration) {
    eprintln!("measured: {what}: {value:.1?}");
    assert!(value <= bound, "{what}: {value:?} is more than {bound:?}");
}
