//! Processors that are named one by one: taken as they are, and what is unwise about them is said.

use std::collections::{BTreeMap, BTreeSet};

use flyover_core::{CpuSet, NumaNode, Refusal};

use super::{Core, Draft, PmdCore, cores};

/// The processors of the spec, as the cores they are.
pub(super) fn cores_of(
    draft: &mut Draft<'_>,
    cpus: &CpuSet,
    wanted: &BTreeMap<NumaNode, String>,
) -> Vec<PmdCore> {
    let online = draft.host.cpu.online.clone();
    if cpus.is_empty() {
        draft.refuse(Refusal::invalid("pmd.cpus", "no processor is named").hint("leave the field out"));
    }
    let missing = cpus.difference(&online);
    if !missing.is_empty() {
        let what = format!("it names CPUs that do not run here: {missing}");
        draft.refuse(Refusal::impossible("pmd.cpus", what).hint(format!("CPUs {online} run")));
    }
    let mut chosen = Vec::new();
    for (node, cores) in cores(draft) {
        for (place, core) in cores.iter().enumerate() {
            let taken = core.cpus.intersection(cpus);
            if taken.is_empty() {
                continue;
            }
            note_core(draft, core, &taken, place == 0);
            chosen.push(PmdCore { cpus: taken, node, why: format!("NUMA {node}, named in the spec") });
        }
    }
    let polled: BTreeSet<NumaNode> = chosen.iter().map(|core| core.node).collect();
    for (node, whose) in wanted.iter().filter(|(node, _)| !polled.contains(node)) {
        draft.note(format!(
            "nothing polls on NUMA node {node}: another node does it for {whose}, across the link"
        ));
    }
    let bare = cpus.difference(&draft.host.cpu.isolated).intersection(&online);
    if !bare.is_empty() {
        draft.note(format!(
            "CPUs {bare} poll and are not isolated: whatever the scheduler puts there costs packets"
        ));
    }
    chosen
}

fn note_core(draft: &mut Draft<'_>, core: &Core, taken: &CpuSet, is_first: bool) {
    let rest = core.cpus.difference(taken);
    if !rest.is_empty() {
        draft.note(format!(
            "CPUs {} are one physical core, and only {taken} poll: {rest} slow them down",
            core.cpus
        ));
    }
    if is_first {
        draft.note(format!(
            "CPUs {taken} are the first core of NUMA node {}, where the host works",
            core.node
        ));
    }
}
