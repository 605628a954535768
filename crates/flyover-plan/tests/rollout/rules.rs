//! What must never be so.

use crate::cluster::{Cluster, Node, Phase, Pods, Rules, Set, WORKLOADS, Whose};
use crate::moves::Do;

/// Of every state.
pub(crate) fn always(cluster: &Cluster, rules: &Rules) {
    let down = cluster.down_by_us();
    assert!(down.count_ones() <= rules.max, "more than {} nodes are down by us: {down:b}", rules.max);
    let unclaimed = down & !cluster.written.claims;
    assert!(unclaimed == 0 || cluster.released, "nodes are down by us without a claim: {unclaimed:b}");
}

/// Of an act that is done at once. `seen` is what it was thought of.
pub(crate) fn fresh(seen: &Cluster, now: &Cluster, act: &Do, rules: &Rules) {
    anyone(now, act);
    match act {
        Do::Note(written) if written.claims & !now.written.claims != 0 => {
            let known =
                seen.bits(|node| node.exists && (!node.ready || node.unschedulable || node.down_by_us()));
            let counted = seen.bits(|node| node.exists && (is_own(node) || ours(node)));
            let all = (known & counted) | written.claims;
            assert!(all.count_ones() <= rules.max, "claims {written:?} while these are down: {known:b}");
        }
        Do::Assign(at, told) => {
            let node = &now.nodes[*at];
            if told.allow >= WORKLOADS {
                assert!(node.unschedulable, "n{at} may be disturbed, and pods can come");
                assert_eq!(node.pods, Pods::Gone, "n{at} may be disturbed, and has pods");
            }
            let comes =
                told.wants() == Some(now.spec) && node.told.is_none_or(|now| now.wants() != told.wants());
            assert!(!comes || now.written.halted != Some(now.spec), "n{at} gets what failed elsewhere");
        }
        _ => {}
    }
}

/// Of an act that an old operator does late.
pub(crate) fn stale(now: &Cluster, act: &Do) {
    anyone(now, act);
}

fn anyone(now: &Cluster, act: &Do) {
    match act {
        Do::Assign(at, told) => {
            assert!(told.wanted.is_none_or(|name| name.text), "n{at} is told the name of a spec only");
        }
        Do::Cordon(at) => {
            let node = &now.nodes[*at];
            assert!(!node.unschedulable || node.annotated, "n{at}: an administrator's cordon is made ours");
        }
        Do::Uncordon(at) => assert!(now.nodes[*at].annotated, "n{at}: an administrator's cordon is lifted"),
        Do::Release => {
            let ours = now.nodes.iter().filter(|node| node.exists && ours(node));
            let clean = |node: &Node| {
                let said = node.word.is_some_and(|word| word.phase == Phase::Clean);
                node.has.is_none() && (said || node.begun == 0)
            };
            assert!(ours.clone().all(clean), "it is gone, and nodes still have it");
        }
        _ => {}
    }
}

/// Of an agent that may have begun: before the canaries were ready with it, nobody else had a change.
pub(crate) fn begun(cluster: &Cluster, rules: &Rules) {
    for spec in (0..3).filter(|spec| cluster.opened & (1 << spec) == 0) {
        let begun: Set = cluster.bits(|node| is_own(node) && node.begun & (1 << spec) != 0);
        assert!(begun.count_ones() <= rules.canary, "spec {spec} went beyond the canary: {begun:b}");
    }
}

fn is_own(node: &Node) -> bool {
    node.exists && node.whose == Whose::Own
}

fn ours(node: &Node) -> bool {
    node.told.is_some_and(|told| told.is_ours())
}
