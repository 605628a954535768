//! Which processors are for the host and which for polling threads.
//!
//! Invariants: the two sets never overlap; `auto` takes whole physical cores only, and the first of each NUMA node
//! stays with the host; an explicit set names processors that run.
//! Source: OVS "PMD threads"; facts of the kernel: Documentation/admin-guide/kernel-parameters.txt.

mod auto;
mod cores;
mod explicit;

use flyover_api::{Amount, CpuSpec};
use flyover_core::{CpuSet, Refusal};

use super::Draft;
use crate::CpuChoice;
use cores::{Core, cores, usable};

pub(super) fn settle(draft: &mut Draft<'_>) {
    let Some(spec) = &draft.spec.cpu else { return };
    if spec.isolated.is_none() && spec.reserved.is_none() {
        return;
    }
    let online = usable(draft);
    let cores = cores(draft.facts, &online);
    let refusals = draft.refusals.len();
    let mut choice = CpuChoice {
        reserved: CpuSet::new(),
        isolated: CpuSet::new(),
        kubelet_reserved: CpuSet::new(),
        online,
        why: Vec::new(),
    };
    // Explicit sets first, for `auto` goes around them.
    explicit::settle(draft, spec, &cores, &mut choice);
    auto::settle(draft, spec, &cores, &mut choice);
    if draft.refusals.len() > refusals {
        return;
    }
    choice.kubelet_reserved = choice.reserved.union(&choice.isolated);
    if choice.online.is_subset(&choice.kubelet_reserved) {
        draft.note(format!(
            "cpu: the host and the polling threads have all CPUs ({}), so kubelet has none to give to pods",
            choice.online
        ));
    }
    isolate(draft, &choice);
    draft.settled.cpu = Some(choice);
}

/// The arguments of an isolation: from the scheduler's balancing and managed interrupts, the tick, RCU's callbacks,
/// and all other interrupts.
fn isolate(draft: &mut Draft<'_>, choice: &CpuChoice) {
    let cpus = &choice.isolated;
    let today = &draft.facts.cpu.isolated;
    if !today.is_empty() && !today.is_subset(cpus) && !cpus.is_empty() {
        let lost = today.difference(cpus);
        draft.note(format!("CPUs {lost} are isolated today and will not be"));
    }
    if cpus.is_empty() {
        return;
    }
    let others =
        if choice.reserved.is_empty() { choice.online.difference(cpus) } else { choice.reserved.clone() };
    draft.ask(&format!("isolcpus=managed_irq,domain,{cpus}"), "cpu.isolated: off the scheduler's balancing");
    draft.ask(&format!("nohz_full={cpus}"), "cpu.isolated: off the regular tick");
    draft.ask(&format!("rcu_nocbs={cpus}"), "cpu.isolated: off RCU's callbacks");
    draft.ask(&format!("irqaffinity={others}"), "cpu.isolated: interrupts go to the others");
}

fn is_auto(amount: Option<&Amount>) -> bool {
    amount == Some(&Amount::Auto)
}

/// `auto` isolation leaves the first core of each node to the host, whether or not that is said.
fn reserves_by_topology(spec: &CpuSpec) -> bool {
    is_auto(spec.reserved.as_ref()) || spec.reserved.is_none() && is_auto(spec.isolated.as_ref())
}

fn too_few(core: &Core, has: usize, needs: usize, what: &str) -> Refusal {
    let plural = if has == 1 { "core" } else { "cores" };
    Refusal::impossible(
        "cpu",
        format!("NUMA node {} has {has} physical {plural} free, {needs} are needed: {what}", core.node),
    )
    .hint("lower `coresPerNode`, or name the processors in `isolated` and `reserved`")
}
