//! When a cluster is at rest, and what is remembered of it on the way there.

use crate::cluster::{Cluster, Hearing, Node, Phase, Rules, Set, WORKLOADS, Whose};

impl Cluster {
    /// Remembers that the canaries were ready with a spec.
    pub(crate) fn note_opened(&mut self, rules: &Rules) {
        let own = self.nodes.iter().filter(|node| node.exists && node.whose == Whose::Own);
        let own = own.filter(|node| node.agent != Hearing::Never);
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
                let exempt = !node.exists || node.agent == Hearing::Never || rules.forever && at == 0;
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
