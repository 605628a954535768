//! The cluster of the model in the words of the machine, and back.

use std::collections::BTreeMap;

use flyover_api::resource::{
    Assignment, Blocked, Halt, Lane, LanePhase, LaneStatus, MaxUnavailable, OnFailure, RolloutSpec,
    RolloutStatus, Wanted,
};
use flyover_core::Disturbance;
use flyover_plan::rollout::{Abandoned, Agent, NodeView, Place, PodView, ResourceView, View};

use crate::cluster::{
    Cluster, Hearing, NOW, Name, Node, Phase, Pods, Rules, Set, Spec, Told, Whose, Word, Written,
};

const LEVELS: [Disturbance; 5] =
    [Disturbance::None, Disturbance::Service, Disturbance::Link, Disturbance::Workloads, Disturbance::Reboot];

fn name(node: usize) -> String {
    format!("n{node}")
}

pub(crate) fn index(name: &str) -> usize {
    name[1..].parse().expect("the model names its nodes")
}

fn has(set: Set, node: usize) -> bool {
    set & (1 << node) != 0
}

fn set_of<'a>(names: impl IntoIterator<Item = &'a String>) -> Set {
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

fn level(disturbance: Disturbance) -> u8 {
    (0..5).find(|at| LEVELS[usize::from(*at)] == disturbance).expect("all levels are there")
}

impl Cluster {
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
            senseless: self.senseless,
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
            agent: match self.agent {
                Hearing::Heard => Agent { spoke: true, silent: 0 },
                Hearing::NotYet => Agent { spoke: false, silent: 0 },
                Hearing::Never => Agent { spoke: false, silent: 120 },
            },
            assignment_orphaned: false,
            cordon_orphaned: false,
            claimed_elsewhere: false,
            waits_for: None,
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
            receipt: vec![],
        }
    }
}
