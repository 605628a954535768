//! What can happen next in a cluster beside its operators: what agents do, what becomes well by itself, what goes wrong, what people
//! want.

use crate::cluster::{Cluster, Faults, Hearing, Name, Node, Phase, Pods, Rules, Told, Whose, Word};
use crate::moves::{Move, Object, State};
use crate::rules;

impl State {
    pub(crate) fn agent(&self, rules: &Rules, at: usize, moves: &mut Vec<Move>) {
        let node = self.cluster.nodes[at];
        let mut say = |what: &str, change: &dyn Fn(&mut Node)| {
            let to = self.after(rules, Some(Object::State(at)), |cluster| change(&mut cluster.nodes[at]));
            rules::begun(&to.cluster, rules);
            moves.push(Move { what: format!("n{at} {what}"), fault: false, to });
        };
        let (Some(told), true, Hearing::Heard) = (node.told, node.ready, node.agent) else { return };
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
    pub(crate) fn recovery(&self, rules: &Rules, at: usize, moves: &mut Vec<Move>) {
        let node = self.cluster.nodes[at];
        let mut happen = |what: &str, object, change: &dyn Fn(&mut Node)| {
            let to = self.after(rules, object, |cluster| change(&mut cluster.nodes[at]));
            moves.push(Move { what: format!("n{at}: {what}"), fault: false, to });
        };
        let of_node = Some(Object::Node(at));
        if !node.ready {
            happen("comes back", of_node, &|node| node.ready = true);
        }
        if node.agent == Hearing::NotYet {
            happen("nobody is heard for long", None, &|node| node.agent = Hearing::Never);
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

    pub(crate) fn faults(&self, rules: &Rules, at: usize, moves: &mut Vec<Move>) {
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
        if self.left.agents > 0 && node.agent != Hearing::Heard {
            let left = Faults { agents: self.left.agents - 1, ..self.left };
            happen("an agent comes", Some(Object::State(at)), left, &|node| node.agent = Hearing::Heard);
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

    pub(crate) fn people(&self, rules: &Rules, moves: &mut Vec<Move>) {
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
        if self.cluster.senseless {
            happen("it makes sense again", false, self.left, &|cluster| cluster.senseless = false);
        }
        if self.cluster.deleting {
            return;
        }
        if self.left.nonsense > 0 && !self.cluster.senseless {
            let left = Faults { nonsense: self.left.nonsense - 1, ..self.left };
            happen("it makes no sense", true, left, &|cluster| cluster.senseless = true);
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
