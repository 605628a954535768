//! Physical cores, as the hardware threads that run make them up.

use std::collections::BTreeMap;

use flyover_core::facts::HostFacts;
use flyover_core::{CpuSet, NumaNode};

use super::super::Draft;

/// One physical core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Core {
    /// The NUMA node it is on.
    pub(super) node: NumaNode,
    /// Its hardware threads.
    pub(super) cpus: CpuSet,
}

impl Core {
    /// `CPUs 2+26`.
    pub(super) fn name(&self) -> String {
        let cpus: Vec<String> = self.cpus.iter().map(|cpu| cpu.to_string()).collect();
        format!("{} {}", if cpus.len() == 1 { "CPU" } else { "CPUs" }, cpus.join("+"))
    }
}

/// The processors that will run: those that do, but one of each core where the profile turns off SMT. What is chosen
/// must be the same before and after the reboot that does it.
pub(super) fn usable(draft: &Draft<'_>) -> CpuSet {
    let cpu = &draft.facts.cpu;
    let nosmt = draft.spec.kernel_args.present.iter().any(|arg| arg.name() == "nosmt");
    let first = |id: u32| cpu.cpus.iter().find(|c| c.id == id).and_then(|c| c.siblings.first());
    cpu.online.iter().filter(|id| !nosmt || first(*id).is_none_or(|first| first == *id)).collect()
}

/// The physical cores of the usable processors, by lowest number.
pub(super) fn cores(facts: &HostFacts, usable: &CpuSet) -> Vec<Core> {
    let mut cores: BTreeMap<u32, Core> = BTreeMap::new();
    for cpu in facts.cpu.cpus.iter().filter(|cpu| usable.contains(cpu.id)) {
        let siblings = cpu.siblings.intersection(usable);
        let first = siblings.first().unwrap_or(cpu.id).min(cpu.id);
        let core = cores.entry(first).or_insert_with(|| Core { node: cpu.node, cpus: CpuSet::new() });
        core.cpus.insert(cpu.id);
    }
    cores.into_values().collect()
}
