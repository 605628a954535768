//! Sets of processors by topology.

use std::collections::BTreeMap;

use flyover_api::CpuSpec;
use flyover_core::facts::NumaFacts;
use flyover_core::{CpuSet, NumaNode, Refusal};

use super::super::Draft;
use super::cores::Core;
use super::{is_auto, reserves_by_topology, too_few};
use crate::CpuChoice;

pub(super) fn settle(draft: &mut Draft<'_>, spec: &CpuSpec, cores: &[Core], choice: &mut CpuChoice) {
    let isolates = is_auto(spec.isolated.as_ref());
    if !isolates && !reserves_by_topology(spec) {
        return;
    }
    if isolates && spec.cores_per_node == 0 {
        draft.refuse(Refusal::invalid("cpu.coresPerNode", "0 isolates nothing").hint("leave `isolated` out"));
        return;
    }
    let nodes = by_node(draft, cores);
    if isolates {
        for cores in nodes.values() {
            isolate(draft, spec, cores, choice);
        }
    }
    if reserves_by_topology(spec) {
        for cores in nodes.values() {
            reserve(draft, cores, choice);
        }
    }
}

/// The cores of each NUMA node that has memory.
fn by_node<'a>(draft: &mut Draft<'_>, cores: &'a [Core]) -> BTreeMap<NumaNode, Vec<&'a Core>> {
    let mut nodes: BTreeMap<NumaNode, Vec<&Core>> = BTreeMap::new();
    for core in cores {
        nodes.entry(core.node).or_default().push(core);
    }
    for NumaFacts { id, memory, .. } in &draft.facts.numa {
        if memory.0 == 0 && nodes.remove(id).is_some() {
            draft.note(format!("NUMA node {id} has no memory, so no core of it is chosen"));
        } else if !nodes.contains_key(id) {
            draft.note(format!("NUMA node {id} has no running processor, so none of it is chosen"));
        }
    }
    nodes
}

/// The next cores after the first of a node.
fn isolate(draft: &mut Draft<'_>, spec: &CpuSpec, cores: &[&Core], choice: &mut CpuChoice) {
    let wanted = spec.cores_per_node as usize;
    let free: Vec<&&Core> =
        cores.iter().skip(1).filter(|core| core.cpus.is_disjoint(&choice.reserved)).collect();
    if free.len() < wanted {
        let what = format!("{wanted} to isolate beside the first, which stays with the host");
        draft.refuse(too_few(cores[0], free.len(), wanted, &what));
        return;
    }
    for (i, core) in free.into_iter().take(wanted).enumerate() {
        choice.isolated = choice.isolated.union(&core.cpus);
        choice.why.push(format!(
            "{}: NUMA {}, {} free physical core",
            core.name(),
            core.node,
            ordinal(i + 1)
        ));
    }
}

/// The first core of a node, or the first that is not isolated by name.
fn reserve(draft: &mut Draft<'_>, cores: &[&Core], choice: &mut CpuChoice) {
    let Some(core) = cores.iter().find(|core| core.cpus.is_disjoint(&choice.isolated)) else {
        draft.refuse(too_few(cores[0], 0, 1, "one to reserve beside those that are isolated by name"));
        return;
    };
    let reserved: CpuSet = choice.reserved.union(&core.cpus);
    choice.reserved = reserved;
    choice.why.push(format!("{}: NUMA {}, for the host", core.name(), core.node));
}

fn ordinal(n: usize) -> String {
    match n {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        _ if n % 10 == 1 && n % 100 != 11 => format!("{n}st"),
        _ if n % 10 == 2 && n % 100 != 12 => format!("{n}nd"),
        _ if n % 10 == 3 && n % 100 != 13 => format!("{n}rd"),
        _ => format!("{n}th"),
    }
}
