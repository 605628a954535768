//! What can happen next in a cluster: an operator's acts, an agent's work, what people and machines do.

use flyover_plan::rollout::{Act, step};

use crate::cluster::{
    Cluster, Faults, Name, Node, Phase, Pods, Rules, Set, Told, WORKLOADS, Whose, Word, Written, has, index,
};
use crate::rules;

/// An act in the words of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Do {
    Note(Written),
    Assign(usize, Told),
    Cordon(usize),
    Uncordon(usize),
    Look(usize),
    Evict(usize),
    Release,
}

/// An object of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Resource,
    State(usize),
    Node(usize),
}

/// A cluster, what may still go wrong in it, and an act that an old operator has yet to do. It is here only as long as its object has
/// not changed: after that the API server refuses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) cluster: Cluster,
    pub(crate) left: Faults,
    pub(crate) stale: Option<Do>,
}

/// One thing that can happen. What goes wrong is not relied on.
pub(crate) struct Move {
    pub(crate) what: String,
    pub(crate) fault: bool,
    pub(crate) to: State,
}

impl Do {
    pub(crate) fn of(act: &Act) -> Self {
        match act {
            Act::Note(status) => Self::Note(Written::of(status)),
            Act::Assign { node, assignment } => Self::Assign(index(node), Told::of(assignment)),
            Act::Cordon { node } => Self::Cordon(index(node)),
            Act::Uncordon { node } => Self::Uncordon(index(node)),
            Act::LookAtPods { node } => Self::Look(index(node)),
            Act::Evict { node, .. } => Self::Evict(index(node)),
            Act::Release => Self::Release,
        }
    }

    fn writes(&self) -> Option<Object> {
        match self {
            Self::Note(_) => Some(Object::Resource),
            Self::Assign(node, _) => Some(Object::State(*node)),
            Self::Cordon(node) | Self::Uncordon(node) => Some(Object::Node(*node)),
            _ => None,
        }
    }

    fn act(&self, cluster: &mut Cluster) {
        match self {
            Self::Note(written) => cluster.written = written.clone(),
            Self::Assign(node, told) => cluster.nodes[*node].told = Some(*told),
            Self::Cordon(node) => {
                let node = &mut cluster.nodes[*node];
                (node.unschedulable, node.annotated) = (true, true);
            }
            Self::Uncordon(node) => {
                let node = &mut cluster.nodes[*node];
                (node.unschedulable, node.annotated, node.looked) = (false, false, false);
            }
            Self::Look(node) => cluster.nodes[*node].looked = true,
            Self::Evict(node) => {
                let node = &mut cluster.nodes[*node];
                node.pods = match node.pods {
                    Pods::Gone => Pods::Gone,
                    _ if node.guarded => Pods::Refused,
                    _ => Pods::Leaving,
                };
            }
            Self::Release => cluster.released = true,
        }
    }
}

/// What an operator would do that looks now.
pub(crate) fn acts(cluster: &Cluster, rules: &Rules) -> Vec<Do> {
    step(&cluster.view(rules)).iter().map(Do::of).collect()
}

impl State {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self { cluster: Cluster::new(rules), left: rules.faults, stale: None }
    }

    /// The same after something was written.
    fn after(&self, rules: &Rules, object: Option<Object>, change: impl FnOnce(&mut Cluster)) -> Self {
        let mut next = self.clone();
        change(&mut next.cluster);
        if object.is_some() && next.stale.as_ref().and_then(Do::writes) == object {
            next.stale = None;
        }
        next.cluster.note_opened(rules);
        next
    }

    /// Everything that can happen next. `list` is what an operator would do.
    pub(crate) fn moves(&self, rules: &Rules, list: &[Do]) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.cluster.released {
            return moves;
        }
        self.operators(rules, list, &mut moves);
        for node in 0..self.cluster.nodes.len() {
            if self.cluster.nodes[node].exists {
                self.agent(rules, node, &mut moves);
                self.recovery(rules, node, &mut moves);
                self.faults(rules, node, &mut moves);
            }
        }
        self.people(rules, &mut moves);
        moves
    }

    fn operators(&self, rules: &Rules, list: &[Do], moves: &mut Vec<Move>) {
        let push = |moves: &mut Vec<Move>, what: String, to| moves.push(Move { what, fault: false, to });
        if let Some(act) = &self.stale {
            rules::stale(&self.cluster, act);
            let mut to = self.after(rules, None, |cluster| act.act(cluster));
            to.stale = None;
            push(moves, format!("an old operator does {act:?}"), to);
            push(moves, "an old operator dies".into(), Self { stale: None, ..self.clone() });
        }
        let mut at = self.clone();
        for (done, act) in list.iter().enumerate() {
            if rules.overlap && self.stale.is_none() && act.writes().is_some() {
                let mut late = at.clone();
                late.stale = Some(act.clone());
                late.forget();
                moves.push(Move { what: format!("an operator is late with {act:?}"), fault: true, to: late });
            }
            if done > 0 {
                let mut dead = at.clone();
                dead.forget();
                push(moves, format!("an operator dies after {:?}", &list[..done]), dead);
            }
            rules::fresh(&self.cluster, &at.cluster, act, rules);
            at = at.after(rules, act.writes(), |cluster| act.act(cluster));
        }
        if !list.is_empty() {
            push(moves, format!("the operator does {list:?}"), at);
        }
        if self.cluster.nodes.iter().any(|node| node.looked) {
            let mut to = self.clone();
            to.forget();
            push(moves, "an operator starts".into(), to);
        }
    }

    /// What only a process knows is gone with it.
    fn forget(&mut self) {
        self.cluster.nodes.iter_mut().for_each(|node| node.looked = false);
    }

    fn agent(&self, rules: &Rules, at: usize, moves: &mut Vec<Move>) {
        let node = self.cluster.nodes[at];
        let mut say = |what: &str, change: &dyn Fn(&mut Node)| {
            let to = self.after(rules, Some(Object::State(at)), |cluster| change(&mut cluster.nodes[at]));
            rules::begun(&to.cluster, rules);
            moves.push(Move { what: format!("n{at} {what}"), fault: false, to });
        };
        let (Some(told), true) = (node.told, node.ready) else { return };
        let word = |phase, spec, needs| Some(Word { spec, phase, needs });
        if let Some(Word { phase: Phase::Working, spec, .. }) = node.word {
            say("is done", &|node| (node.has, node.word) = (spec, word(end(spec), spec, 0)));
            if rules.fails && spec == Some(1) {
                // What was ready once and cannot be mended has drifted; only a change fails.
                let proven =
                    told.wants() == spec && told.previous.is_some_and(|name| Some(name.spec) == spec);
                let phase = if proven { Phase::Drifted } else { Phase::Failed };
                say("fails", &|node| node.word = word(phase, spec, 0));
            }
            return;
        }
        let wants = told.wants();
        let needs = rules.needs[at];
        let fresh = node.word.filter(|word| word.spec == wants);
        match fresh.map(|word| word.phase) {
            Some(Phase::Ready | Phase::Failed | Phase::Clean) => {}
            Some(Phase::Waiting) if needs > told.allow => {}
            _ if node.has == wants => say("has it", &|node| node.word = word(end(wants), wants, 0)),
            _ if needs > told.allow => say("waits", &|node| node.word = word(Phase::Waiting, wants, needs)),
            _ => say("begins", &|node| {
                node.word = word(Phase::Working, wants, needs);
                node.begun |= wants.map_or(0, |spec| 1 << spec);
                node.has = Some(255);
            }),
        }
    }

    /// What becomes well by itself once nothing goes wrong any more.
    fn recovery(&self, rules: &Rules, at: usize, moves: &mut Vec<Move>) {
        let node = self.cluster.nodes[at];
        let mut happen = |what: &str, object, change: &dyn Fn(&mut Node)| {
            let to = self.after(rules, object, |cluster| change(&mut cluster.nodes[at]));
            moves.push(Move { what: format!("n{at}: {what}"), fault: false, to });
        };
        let of_node = Some(Object::Node(at));
        if !node.ready {
            happen("comes back", of_node, &|node| node.ready = true);
        }
        if node.unschedulable && !node.annotated {
            happen("the administrator lifts the cordon", of_node, &|node| node.unschedulable = false);
        }
        if node.pods == Pods::Leaving {
            happen("the pod is gone", None, &|node| node.pods = Pods::Gone);
        }
        if node.guarded && !(rules.forever && at == 0) {
            happen("pods may leave again", None, &|node| node.guarded = false);
        }
        if node.whose == Whose::Contested {
            happen("the tie is resolved", None, &|node| node.whose = Whose::Own);
        }
        let handed = node.told.is_some_and(|told| told.is_ours() && told.allow == 2);
        if node.whose == Whose::Other && handed && !node.annotated {
            let other = Name { spec: 0, ours: false, text: true };
            let told = Told { wanted: Some(other), previous: None, allow: 2 };
            happen("the other resource takes it", Some(Object::State(at)), &|node| node.told = Some(told));
        }
    }

    fn faults(&self, rules: &Rules, at: usize, moves: &mut Vec<Move>) {
        let node = self.cluster.nodes[at];
        let mut happen = |what: &str, object, left, change: &dyn Fn(&mut Node)| {
            let mut to = self.after(rules, object, |cluster| change(&mut cluster.nodes[at]));
            to.left = left;
            moves.push(Move { what: format!("n{at}: {what}"), fault: true, to });
        };
        let of_node = Some(Object::Node(at));
        if self.left.nodes > 0 {
            let left = Faults { nodes: self.left.nodes - 1, ..self.left };
            if node.ready {
                happen("goes down", of_node, left, &|node| node.ready = false);
            }
            if !node.unschedulable && !node.annotated {
                happen("the administrator cordons", of_node, left, &|node| node.unschedulable = true);
            }
            if node.unschedulable && node.annotated {
                happen("the administrator lifts our cordon", of_node, left, &|node| {
                    node.unschedulable = false;
                });
            }
            if rules.pods && node.pods == Pods::Gone && !node.unschedulable {
                happen("a pod comes", None, left, &|node| node.pods = Pods::Here);
            }
            if rules.pods && !node.guarded {
                happen("pods may not leave", None, left, &|node| node.guarded = true);
            }
            happen("is no more", of_node, left, &|node| {
                let (whose, begun) = (node.whose, 0);
                *node = Node { exists: false, told: None, word: None, whose, begun, ..*node };
                (node.ready, node.unschedulable, node.annotated, node.looked) = (false, false, false, false);
                (node.pods, node.guarded, node.has) = (Pods::Gone, false, None);
            });
        }
        if self.left.drift > 0 && node.word.is_some_and(|word| word.phase == Phase::Ready) {
            let left = Faults { drift: self.left.drift - 1, ..self.left };
            let allowed = node.told.is_some_and(|told| told.allow >= rules.needs[at]);
            let phase = if allowed { Phase::Drifted } else { Phase::Waiting };
            happen("somebody changes it", Some(Object::State(at)), left, &|node| {
                node.has = Some(255);
                node.word = node.word.map(|word| Word { phase, needs: rules.needs[at], ..word });
            });
        }
        if self.left.places > 0 && node.whose == Whose::Own {
            let left = Faults { places: self.left.places - 1, ..self.left };
            for whose in [Whose::Free, Whose::Other, Whose::Contested] {
                happen(&format!("becomes {whose:?}"), None, left, &|node| node.whose = whose);
            }
        }
    }

    fn people(&self, rules: &Rules, moves: &mut Vec<Move>) {
        let mut happen = |what: &str, fault, left, change: &dyn Fn(&mut Cluster)| {
            let object = Some(Object::Resource).filter(|_| fault || what != "time passes");
            let mut to = self.after(rules, object, change);
            to.left = left;
            moves.push(Move { what: what.into(), fault, to });
        };
        let written = &self.cluster.written;
        if written.deadlines_ahead | written.blocked_ahead != 0 {
            happen("time passes", false, self.left, &|cluster| {
                let written = &mut cluster.written;
                written.deadlines_past |= std::mem::take(&mut written.deadlines_ahead);
                written.blocked_past |= std::mem::take(&mut written.blocked_ahead);
            });
        }
        if self.cluster.paused {
            happen("it goes on", false, self.left, &|cluster| cluster.paused = false);
        }
        if self.cluster.deleting {
            return;
        }
        if self.left.pauses > 0 && !self.cluster.paused {
            let left = Faults { pauses: self.left.pauses - 1, ..self.left };
            happen("it is paused", true, left, &|cluster| cluster.paused = true);
        }
        if self.left.specs > 0 {
            let left = Faults { specs: self.left.specs - 1, ..self.left };
            happen("the spec changes", true, left, &|cluster| cluster.spec = (cluster.spec + 1) % 3);
        }
        if self.left.deletes > 0 {
            let left = Faults { deletes: self.left.deletes - 1, ..self.left };
            happen("it is deleted", true, left, &|cluster| {
                cluster.deleting = true;
                let own = cluster.nodes.iter_mut().filter(|node| node.whose != Whose::Other);
                own.for_each(|node| node.whose = Whose::Free);
            });
        }
    }
}

/// What an agent says when all is as asked for.
fn end(spec: Option<u8>) -> Phase {
    if spec.is_some() { Phase::Ready } else { Phase::Clean }
}

impl Cluster {
    /// Remembers that the canaries were ready with a spec.
    fn note_opened(&mut self, rules: &Rules) {
        let own = self.nodes.iter().filter(|node| node.exists && node.whose == Whose::Own);
        let canaries = own.clone().count().min(rules.canary as usize);
        let have = self.nodes.iter().filter(|node| {
            node.exists && (node.whose == Whose::Own || node.told.is_some_and(|told| told.is_ours()))
        });
        for spec in 0..3 {
            let well = |node: &&Node| {
                node.ready && node.word.is_some_and(|w| w.phase == Phase::Ready && w.spec == Some(spec))
            };
            if have.clone().filter(well).count() >= canaries {
                self.opened |= 1 << spec;
            }
        }
    }

    /// Nodes that are down by us, as bits.
    pub(crate) fn down_by_us(&self) -> Set {
        self.bits(Node::down_by_us)
    }

    /// Nodes of which this is so, as bits.
    pub(crate) fn bits(&self, so: impl Fn(&Node) -> bool) -> Set {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| so(node)).fold(0, |set, (at, _)| set | 1 << at)
    }

    /// Whether nothing is left to be done.
    pub(crate) fn rests(&self, rules: &Rules) -> bool {
        if self.released {
            return self.nodes.iter().all(|node| !node.annotated);
        }
        let well = |node: &Node| !node.exists || node.ready && !node.unschedulable && !node.annotated;
        let calm = self.nodes.iter().enumerate().all(|(at, node)| well(node) || rules.forever && at == 0);
        let claims = self.written.claims & !Set::from(rules.forever);
        calm && claims == 0
            && !self.deleting
            && self.nodes.iter().enumerate().all(|(at, node)| {
                let exempt = !node.exists || rules.forever && at == 0 || !has(self.bits(|_| true), at);
                exempt || self.node_rests(node, rules)
            })
    }

    fn node_rests(&self, node: &Node, rules: &Rules) -> bool {
        let Some(told) = node.told else { return true };
        let said = node.word.filter(|word| word.spec == told.wants()).map(|word| word.phase);
        let newest = told.wanted.is_some_and(|name| name.ours && name.spec == self.spec);
        let halted = self.written.halted == Some(self.spec);
        match node.whose {
            Whose::Other | Whose::Contested => !told.is_ours() || told.allow < WORKLOADS,
            Whose::Free => !told.is_ours() || said == Some(Phase::Clean),
            Whose::Own if newest && said == Some(Phase::Failed) => halted && rules.stay,
            Whose::Own if !newest && !halted => false,
            Whose::Own => matches!(said, Some(Phase::Ready | Phase::Clean)),
        }
    }
}
