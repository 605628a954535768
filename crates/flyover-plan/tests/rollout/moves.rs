//! What can happen next in a cluster: what operators do. An operator may die between any two acts, and one may be late with an act
//! and do it behind the back of the next.

use flyover_plan::rollout::{Act, step};

use crate::cluster::{Cluster, Faults, Pods, Rules, Told, Written};
use crate::rules;
use crate::seen::index;

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
            Self::Note(_) | Self::Release => Some(Object::Resource),
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
    pub(crate) fn after(
        &self,
        rules: &Rules,
        object: Option<Object>,
        change: impl FnOnce(&mut Cluster),
    ) -> Self {
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
}
