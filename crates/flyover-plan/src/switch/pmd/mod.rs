//! The threads that poll: whole physical cores, on every NUMA node that has ports.
//!
//! Invariant: a core that is chosen here has all its siblings, is never its node's first, and is isolated where the
//! node has isolated ones enough.
//! Source: OVS "PMD threads"; Red Hat's NFV planning guide.

mod named;

use std::collections::BTreeMap;

use flyover_core::{CpuSet, NumaNode, Refusal};

use super::ports::{Ports, nodes};
use super::settle::Draft;
use super::{PmdCore, PmdSizing};

/// One physical core.
struct Core {
    node: NumaNode,
    cpus: CpuSet,
}

/// The threads for those ports.
pub(super) fn settle(draft: &mut Draft<'_>, ports: &[Ports]) -> PmdSizing {
    let wanted = wanted(draft, ports);
    let cores = match draft.spec.pmd.cpus.clone() {
        Some(cpus) => named::cores_of(draft, &cpus, &wanted),
        None => by_topology(draft, &wanted),
    };
    let cpus = cores.iter().fold(CpuSet::new(), |all, core| all.union(&core.cpus));
    let left = draft.host.cpu.online.difference(&cpus);
    if !cpus.is_empty() && left.is_empty() {
        draft.note("every processor polls; none is left for the host");
    }
    check_lcores(draft);
    check_sleep(draft);
    if let Some(both) = draft
        .spec
        .dpdk
        .lcores
        .as_ref()
        .map(|lcores| lcores.intersection(&cpus))
        .filter(|both| !both.is_empty())
    {
        draft.note(format!(
            "CPUs {both} poll and do the switch's other work besides; take them out of `dpdk.lcores`"
        ));
    }
    note_kubelet(draft, &cpus);
    PmdSizing { mask: cpus.mask(), cpus, cores }
}

/// Its static policy knows nothing of threads that poll.
fn note_kubelet(draft: &mut Draft<'_>, cpus: &CpuSet) {
    let Some(kubelet) = &draft.host.kubelet else { return };
    let open =
        kubelet.reserved_cpus.as_ref().map_or_else(|| cpus.clone(), |reserved| cpus.difference(reserved));
    if kubelet.cpu_manager.as_deref() == Some("static") && !open.is_empty() {
        draft.note(format!(
            "kubelet may give CPUs {open} to a pod: they poll and are not in its reservedSystemCPUs"
        ));
    }
}

/// The longest that a thread may sleep, in microseconds.
const LONGEST_SLEEP: u32 = 10_000;

fn check_sleep(draft: &mut Draft<'_>) {
    if let Some(us) = draft.spec.pmd.max_sleep_us.filter(|us| *us > LONGEST_SLEEP) {
        let what = format!("{us} microseconds are longer than a thread may sleep ({LONGEST_SLEEP})");
        draft.refuse(Refusal::invalid("pmd.maxSleepUs", what));
    }
}

fn check_lcores(draft: &mut Draft<'_>) {
    let Some(lcores) = draft.spec.dpdk.lcores.clone() else { return };
    let missing = lcores.difference(&draft.host.cpu.online);
    if lcores.is_empty() {
        draft.refuse(Refusal::invalid("dpdk.lcores", "no processor is named").hint("leave the field out"));
    } else if !missing.is_empty() {
        let what = format!("it names CPUs that do not run here: {missing}");
        let hint = format!("CPUs {} run", draft.host.cpu.online);
        draft.refuse(Refusal::impossible("dpdk.lcores", what).hint(hint));
    }
}

/// The nodes that have ports, and whose they are; all of them where no port is known.
fn wanted(draft: &Draft<'_>, ports: &[Ports]) -> BTreeMap<NumaNode, String> {
    let mut wanted: BTreeMap<NumaNode, Vec<String>> = BTreeMap::new();
    for ports in ports {
        for node in &ports.nodes {
            wanted.entry(*node).or_default().push(ports.name.clone());
        }
    }
    if wanted.is_empty() {
        let any = || "any port that comes".to_owned();
        return nodes(draft.host).into_iter().map(|node| (node, any())).collect();
    }
    wanted.into_iter().map(|(node, names)| (node, names.join(", "))).collect()
}

/// The physical cores of the processors that run, by node and lowest number.
fn cores(draft: &Draft<'_>) -> BTreeMap<NumaNode, Vec<Core>> {
    let cpu = &draft.host.cpu;
    let mut cores: BTreeMap<u32, Core> = BTreeMap::new();
    for one in cpu.cpus.iter().filter(|one| cpu.online.contains(one.id)) {
        let first = one.siblings.intersection(&cpu.online).first().unwrap_or(one.id).min(one.id);
        let core = cores.entry(first).or_insert_with(|| Core { node: one.node, cpus: CpuSet::new() });
        core.cpus.insert(one.id);
    }
    let mut nodes: BTreeMap<NumaNode, Vec<Core>> = BTreeMap::new();
    for core in cores.into_values() {
        nodes.entry(core.node).or_default().push(core);
    }
    nodes
}

fn by_topology(draft: &mut Draft<'_>, wanted: &BTreeMap<NumaNode, String>) -> Vec<PmdCore> {
    let all = cores(draft);
    let count = draft.spec.pmd.cores_per_node.unwrap_or(1) as usize;
    if count == 0 {
        let what = "0 leaves the switch without a thread that polls";
        draft.refuse(Refusal::invalid("pmd.coresPerNode", what));
        return Vec::new();
    }
    let mut chosen = Vec::new();
    for (node, whose) in wanted {
        match all.get(node) {
            Some(cores) => chosen.extend(of_node(draft, cores, count, whose)),
            None => {
                draft.note(format!("NUMA node {node} has no processor that runs: others poll for {whose}"))
            }
        }
    }
    chosen
}

/// The next cores after the first of a node, isolated ones where there are enough.
fn of_node(draft: &mut Draft<'_>, cores: &[Core], count: usize, whose: &str) -> Vec<PmdCore> {
    let node = cores[0].node;
    let isolated = &draft.host.cpu.isolated;
    let free: Vec<&Core> = cores.iter().skip(1).collect();
    let kept: Vec<&Core> = free.iter().copied().filter(|core| core.cpus.is_subset(isolated)).collect();
    let (from, how) = if kept.len() >= count { (kept, "isolated") } else { (free, "not isolated") };
    if from.len() < count {
        let what = format!(
            "NUMA node {node} has {} beside its first, which stays with the host; {count} are wanted for {whose}",
            physical_cores(from.len())
        );
        let hint = "name the processors in `pmd.cpus`, or lower `pmd.coresPerNode`";
        draft.refuse(Refusal::impossible("pmd.coresPerNode", what).hint(hint));
        return Vec::new();
    }
    let chosen = from.into_iter().take(count).map(|core| PmdCore {
        cpus: core.cpus.clone(),
        node,
        why: format!("NUMA {node}, {how}, a whole core after the first: {whose}"),
    });
    let chosen: Vec<PmdCore> = chosen.collect();
    if how == "not isolated" {
        let cpus = chosen.iter().fold(CpuSet::new(), |all, core| all.union(&core.cpus));
        draft.note(format!(
            "CPUs {cpus} poll and are not isolated: whatever the scheduler puts there costs packets (`cpu.isolated` of \
             a node's profile)"
        ));
    }
    chosen
}

fn physical_cores(count: usize) -> String {
    format!("{count} physical {}", if count == 1 { "core" } else { "cores" })
}
