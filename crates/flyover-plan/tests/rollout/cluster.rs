//! A cluster small enough to be looked at in all its states: what the API server holds, and what is so on the nodes.
//!
//! Time is two words: a deadline is ahead or past.

use std::collections::BTreeMap;

use flyover_api::resource::{
    Assignment, Blocked, Halt, Lane, LanePhase, LaneStatus, MaxUnavailable, OnFailure, RolloutSpec,
    RolloutStatus, Wanted,
};
use flyover_core::Disturbance;
use flyover_plan::rollout::{Abandoned, NodeView, Place, PodView, ResourceView, View};

/// Seconds since the epoch, always.
pub(crate) const NOW: i64 = 1_000_000;
const LEVELS: [Disturbance; 5] =
    [Disturbance::None, Disturbance::Service, Disturbance::Link, Disturbance::Workloads, Disturbance::Reboot];
pub(crate) const WORKLOADS: u8 = 3;

/// A spec: 0 is what all have at the start.
pub(crate) type Spec = u8;
/// Nodes as bits.
pub(crate) type Set = u8;

/// What does not change in a run.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) nodes: usize,
    pub(crate) canary: u32,
    pub(crate) max: u32,
    pub(crate) stay: bool,
    /// What a change disturbs, by node.
    pub(crate) needs: Vec<u8>,
    /// The change may fail.
    pub(crate) fails: bool,
    /// Nodes have pods.
    pub(crate) pods: bool,
    /// A pod of node 0 never leaves, whatever happens.
    pub(crate) forever: bool,
    /// The nodes have something of another resource at the start.
    pub(crate) takeover: bool,
    /// Acts of an old operator are done behind a new one's back.
    pub(crate) overlap: bool,
    /// What may go wrong.
    pub(crate) faults: Faults,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// A node goes down, an administrator cordons or lifts a cordon.
    pub(crate) nodes: u8,
    /// Somebody changes on a node what was ready.
    pub(crate) drift: u8,
    /// The spec changes.
    pub(crate) specs: u8,
    /// The resource is deleted.
    pub(crate) deletes: u8,
    /// A node is no more this resource's.
    pub(crate) places: u8,
    /// It is paused, and goes on.
    pub(crate) pauses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) wanted: Option<Name>,
    pub(crate) previous: Option<Name>,
    pub(crate) allow: u8,
}

/// A spec with who wrote it; without its text it is a name only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) spec: Spec,
    pub(crate) ours: bool,
    pub(crate) text: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    pub(crate) spec: Option<Spec>,
    pub(crate) phase: Phase,
    pub(crate) needs: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Waiting,
    Working,
    Ready,
    Drifted,
    Failed,
    Clean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pods {
    Gone,
    Here,
    Leaving,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Own,
    Other,
    Contested,
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) exists: bool,
    pub(crate) ready: bool,
    pub(crate) unschedulable: bool,
    pub(crate) annotated: bool,
    pub(crate) whose: Whose,
    pub(crate) told: Option<Told>,
    pub(crate) word: Option<Word>,
    /// What it really has; 255 is something else.
    pub(crate) has: Option<Spec>,
    /// Specs that were begun here, as bits.
    pub(crate) begun: Set,
    pub(crate) pods: Pods,
    pub(crate) guarded: bool,
    /// The operator looks at its pods.
    pub(crate) looked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Written {
    pub(crate) hash: Option<Spec>,
    pub(crate) canaries: Set,
    pub(crate) claims: Set,
    pub(crate) deadlines_ahead: Set,
    pub(crate) deadlines_past: Set,
    pub(crate) blocked_ahead: Set,
    pub(crate) blocked_past: Set,
    pub(crate) halted: Option<Spec>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cluster {
    pub(crate) spec: Spec,
    pub(crate) deleting: bool,
    pub(crate) released: bool,
    pub(crate) paused: bool,
    pub(crate) written: Written,
    pub(crate) nodes: Vec<Node>,
    /// The canaries were ready with these specs at some time, as bits.
    pub(crate) opened: Set,
}

pub(crate) fn name(node: usize) -> String {
    format!("n{node}")
}

pub(crate) fn index(name: &str) -> usize {
    name[1..].parse().expect("the model names its nodes")
}

pub(crate) fn has(set: Set, node: usize) -> bool {
    set & (1 << node) != 0
}

pub(crate) fn set_of<'a>(names: impl IntoIterator<Item = &'a String>) -> Set {
    names.into_iter().fold(0, |set, name| set | 1 << index(name))
}

fn names(set: Set) -> Vec<String> {
    (0..8).filter(|node| has(set, *node)).map(name).collect()
}

fn hash(spec: Spec) -> String {
    format!("h{spec}")
}

fn spec(hash: &str) -> Spec {
    hash[1..].parse().expect("the model names its specs")
}

pub(crate) fn level(disturbance: Disturbance) -> u8 {
    (0..5).find(|at| LEVELS[usize::from(*at)] == disturbance).expect("all levels are there")
}

impl Cluster {
    /// All nodes are ready with the first spec, and the second has just been written.
    pub(crate) fn new(rules: &Rules) -> Self {
        let had = Name { spec: 0, ours: !rules.takeover, text: true };
        let told = Told { wanted: Some(had), previous: Some(Name { text: false, ..had }), allow: 2 };
        let node = Node {
            exists: true,
            ready: true,
            unschedulable: false,
            annotated: false,
            whose: Whose::Own,
            told: Some(told),
            word: Some(Word { spec: Some(0), phase: Phase::Ready, needs: 0 }),
            has: Some(0),
            begun: 1,
            pods: if rules.pods { Pods::Here } else { Pods::Gone },
            guarded: false,
            looked: false,
        };
        let mut nodes = vec![node; rules.nodes];
        nodes[0].guarded = rules.forever;
        let written = Written { hash: (!rules.takeover).then_some(0), ..Written::default() };
        Self { spec: 1, deleting: false, released: false, paused: false, written, nodes, opened: 1 }
    }

    /// What an operator that looks now sees.
    pub(crate) fn view(&self, rules: &Rules) -> View {
        let resource = ResourceView {
            name: "r".into(),
            lane: Lane::Profile,
            rollout: RolloutSpec {
                canary: rules.canary,
                max_unavailable: MaxUnavailable::Count(rules.max),
                pause: self.paused,
                on_failure: if rules.stay { OnFailure::Stay } else { OnFailure::Rollback },
                ..RolloutSpec::default()
            },
            wanted: wanted(Name { spec: self.spec, ours: true, text: true }),
            deleting: self.deleting,
            abandoned: Abandoned::Nobody,
            status: self.written.status(),
        };
        let nodes = self.nodes.iter().enumerate().map(|(at, node)| node.view(at)).collect();
        View { now: NOW, resource, nodes }
    }
}

fn wanted(of: Name) -> Wanted {
    let mut text = serde_json::Map::new();
    if of.text {
        text.insert("is".into(), of.spec.into());
    }
    let from = if of.ours { "r" } else { "x" };
    Wanted { from: from.into(), generation: 1, hash: hash(of.spec), spec: text }
}

impl Name {
    fn of(wanted: &Wanted) -> Self {
        Self { spec: spec(&wanted.hash), ours: wanted.from == "r", text: !wanted.spec.is_empty() }
    }
}

impl Told {
    pub(crate) fn of(assignment: &Assignment) -> Self {
        Self {
            wanted: assignment.wanted.as_ref().map(Name::of),
            previous: assignment.previous.as_ref().map(Name::of),
            allow: level(assignment.allow),
        }
    }

    pub(crate) fn wants(&self) -> Option<Spec> {
        self.wanted.map(|name| name.spec)
    }
}

impl Written {
    pub(crate) fn of(status: &RolloutStatus) -> Self {
        let deadlines =
            |past: bool| set_of(status.deadlines.iter().filter(|d| (*d.1 <= NOW) == past).map(|d| d.0));
        let blocked =
            |past: bool| set_of(status.blocked.iter().filter(|b| (b.until <= NOW) == past).map(|b| &b.node));
        Self {
            hash: (!status.hash.is_empty()).then(|| spec(&status.hash)),
            canaries: set_of(&status.canaries),
            claims: set_of(&status.claims),
            deadlines_ahead: deadlines(false),
            deadlines_past: deadlines(true),
            blocked_ahead: blocked(false),
            blocked_past: blocked(true),
            halted: status.halted.as_ref().map(|halt| spec(&halt.hash)),
        }
    }

    fn status(&self) -> RolloutStatus {
        let ahead = NOW + 600;
        let times = [(self.deadlines_ahead, ahead), (self.deadlines_past, NOW - 1)];
        let deadlines: BTreeMap<String, i64> = times
            .into_iter()
            .flat_map(|(set, at)| names(set).into_iter().map(move |name| (name, at)))
            .collect();
        let times = [(self.blocked_ahead, ahead), (self.blocked_past, NOW - 1)];
        let blocked = times.into_iter().flat_map(|(set, until)| {
            names(set).into_iter().map(move |node| Blocked { node, by: String::new(), until })
        });
        RolloutStatus {
            hash: self.hash.map_or_else(String::new, hash),
            canaries: names(self.canaries),
            claims: names(self.claims),
            deadlines,
            blocked: blocked.collect(),
            halted: self.halted.map(|spec| Halt {
                hash: hash(spec),
                node: String::new(),
                message: String::new(),
            }),
        }
    }
}

impl Node {
    fn view(&self, at: usize) -> NodeView {
        NodeView {
            name: name(at),
            place: match self.whose {
                Whose::Own => Place::Own,
                Whose::Other => Place::Other,
                Whose::Contested => Place::Contested,
                Whose::Free => Place::Free,
            },
            exists: self.exists,
            ready: self.ready,
            unschedulable: self.unschedulable,
            cordoned_for: self.annotated.then(|| "NodeProfile/r".to_owned()),
            assignment: self.told.map(|told| Assignment {
                wanted: told.wanted.map(wanted),
                previous: told.previous.map(wanted),
                allow: LEVELS[usize::from(told.allow)],
            }),
            status: self.word.map(Word::status),
            assignment_orphaned: false,
            cordon_orphaned: false,
            pods: self.looked.then(|| self.pods()),
        }
    }

    fn pods(&self) -> Vec<PodView> {
        let pod = |leaving, refused: bool| PodView {
            namespace: "d".into(),
            name: "p".into(),
            controlled: true,
            empty_dir: false,
            leaving,
            refused: refused.then(|| "a PodDisruptionBudget".into()),
        };
        match self.pods {
            Pods::Gone => vec![],
            Pods::Here => vec![pod(false, false)],
            Pods::Leaving => vec![pod(true, false)],
            Pods::Refused => vec![pod(false, true)],
        }
    }

    /// Taken down by us.
    pub(crate) fn down_by_us(&self) -> bool {
        self.exists
            && (self.annotated && self.unschedulable
                || self.told.is_some_and(|told| told.allow >= WORKLOADS && told.is_ours()))
    }
}

impl Told {
    pub(crate) fn is_ours(&self) -> bool {
        self.wanted.or(self.previous).is_some_and(|name| name.ours)
    }
}

impl Word {
    fn status(self) -> LaneStatus {
        let phase = match (self.phase, self.spec) {
            (Phase::Waiting, _) => LanePhase::Waiting,
            (Phase::Working, Some(_)) => LanePhase::Applying,
            (Phase::Working, None) => LanePhase::Removing,
            (Phase::Ready, _) => LanePhase::Ready,
            (Phase::Drifted, _) => LanePhase::Drifted,
            (Phase::Failed, _) => LanePhase::Failed,
            (Phase::Clean, _) => LanePhase::Clean,
        };
        LaneStatus {
            hash: self.spec.map(hash),
            phase,
            needs: LEVELS[usize::from(self.needs)],
            reason: String::new(),
            message: String::new(),
            plan: None,
            journal: vec![],
            drift: vec![],
        }
    }
}
