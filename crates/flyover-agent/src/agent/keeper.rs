//! What the process remembers of the node's lanes, and the order in which they are moved.

use std::sync::Arc;

use flyover_api::resource::{Assignment, Lane, LanePhase, NodeStateSpec};
use flyover_host::node::Node;
use flyover_host::root::HostRoot;
use flyover_kubelet::Resources;
use tokio::sync::watch;

use crate::devices::bridges;
use crate::facts::short;
use crate::follow::Heard;
use crate::known::Known;
use crate::lane::{Machine, Runner};
use crate::status::Board;

/// What the process remembers.
pub(super) struct Keeper {
    host: HostRoot,
    node: Node,
    machines: Vec<Machine>,
    known: Known,
    written: Known,
    /// Whether anything was heard of what the node is to have, now or by an earlier process.
    told: bool,
    offered: watch::Receiver<Resources>,
    board: Arc<Board>,
}

impl Keeper {
    /// With what an earlier process wrote down.
    pub(super) fn new(
        host: &HostRoot,
        runner: &dyn Fn(Lane) -> Box<dyn Runner>,
        (known, offered): (Option<Known>, watch::Receiver<Resources>),
        board: Arc<Board>,
    ) -> Self {
        let told = known.is_some();
        let known = known.unwrap_or_default();
        let machine = |lane| Machine::new(lane, runner(lane), known.lanes.get(&lane).cloned());
        let machines = Lane::ALL.into_iter().map(machine).collect();
        let node = Node::of(host.clone(), Vec::new());
        Self { host: host.clone(), node, machines, written: known.clone(), known, told, offered, board }
    }

    /// Moves every lane, after what was heard.
    pub(super) fn turn(&mut self, heard: Option<Heard>) {
        if let Some(heard) = heard {
            self.hear(heard);
        }
        if !self.told {
            return;
        }
        self.look_around();
        self.keep();
        let known_before = self.known.lanes.clone();
        let known = known_before.clone();
        self.board.put(|told| {
            // What an earlier process said holds until it is looked at.
            told.lanes = known;
            told.looked = true;
        });
        let lanes = &self.known.spec.lanes;
        let wanted = |lane| lanes.get(&lane).is_some_and(|assignment| assignment.wanted.is_some());
        let back = Lane::ALL.into_iter().rev().filter(|lane| !wanted(*lane));
        let forth = Lane::ALL.into_iter().filter(|lane| wanted(*lane));
        for lane in back.chain(forth).collect::<Vec<_>>() {
            self.move_lane(lane);
        }
        if self.known.lanes != known_before {
            self.look_around();
        }
    }

    /// Whether a lane waits, and has to be looked at again before long.
    pub(super) fn waits(&self) -> bool {
        let mut phases = self.known.lanes.values().map(|status| status.phase);
        phases.any(|phase| matches!(phase, LanePhase::Waiting | LanePhase::Removing))
    }

    fn hear(&mut self, heard: Heard) {
        if heard.uid.is_empty() {
            return;
        }
        // What was taken back by an earlier process is told as it told it.
        for (lane, status) in heard.status.map(|status| status.lanes).unwrap_or_default() {
            let machine = self.machines.iter_mut().find(|machine| machine.lane() == lane);
            if let Some(machine) = machine.filter(|machine| machine.status().is_none())
                && status.phase == LanePhase::Clean
            {
                self.known.lanes.insert(lane, status.clone());
                machine.remember(status);
            }
        }
        (self.known.spec, self.known.generation) = (heard.spec, heard.generation);
        self.told = true;
    }

    fn move_lane(&mut self, lane: Lane) {
        let assignment = self.known.spec.lanes.get(&lane).cloned();
        let below = below(lane, &self.known.spec, |other| self.phase(other));
        let Some(machine) = self.machines.iter_mut().find(|machine| machine.lane() == lane) else { return };
        machine.turn(assignment.as_ref(), below, &*self.board);
        match machine.status() {
            Some(status) => self.known.lanes.insert(lane, status.clone()),
            None => self.known.lanes.remove(&lane),
        };
        self.keep();
    }

    fn phase(&self, lane: Lane) -> Option<LanePhase> {
        self.known.lanes.get(&lane).map(|status| status.phase)
    }

    fn look_around(&mut self) {
        let generation = self.known.generation;
        match self.node.facts(None) {
            Ok(facts) => self.board.put(|told| told.facts = short(&facts, bridges(&self.offered.borrow()))),
            Err(error) => tracing::warn!(%error, "the node's facts cannot be read"),
        }
        self.board.put(|told| told.generation = generation);
    }

    /// Writes down what changed since it was written last.
    fn keep(&mut self) {
        env!("CARGO_PKG_VERSION").clone_into(&mut self.known.version);
        if self.known == self.written {
            return;
        }
        match self.known.write(&self.host) {
            Ok(()) => self.written = self.known.clone(),
            Err(error) => tracing::warn!(%error, "what was heard cannot be written down"),
        }
    }
}

/// The lane that has to come to its end before this one: a switch needs the profile's hugepages, and is taken back before
/// they are.
fn below(lane: Lane, spec: &NodeStateSpec, phase: impl Fn(Lane) -> Option<LanePhase>) -> Option<Lane> {
    let wanted = |lane| spec.lanes.get(&lane).map(|assignment: &Assignment| assignment.wanted.is_some());
    let way = |phase| matches!(phase, None | Some(LanePhase::Waiting | LanePhase::Applying));
    match lane {
        Lane::Switch if wanted(Lane::Profile) == Some(true) && way(phase(Lane::Profile)) => {
            Some(Lane::Profile)
        }
        Lane::Profile
            if wanted(Lane::Profile) == Some(false)
                && wanted(Lane::Switch) == Some(false)
                && phase(Lane::Switch) != Some(LanePhase::Clean) =>
        {
            Some(Lane::Switch)
        }
        _ => None,
    }
}
