//! Sets of processors named one by one.

use flyover_api::{Amount, CpuSpec};
use flyover_core::{CpuSet, Refusal};

use super::super::Draft;
use super::cores::Core;
use crate::CpuChoice;

pub(super) fn settle(draft: &mut Draft<'_>, spec: &CpuSpec, cores: &[Core], choice: &mut CpuChoice) {
    if let Some(Amount::Cpus(cpus)) = &spec.reserved {
        check(draft, "cpu.reserved", cpus, &choice.online);
        choice.reserved = cpus.clone();
        choice.why.push(format!("CPUs {cpus}: reserved by name"));
    }
    if let Some(Amount::Cpus(cpus)) = &spec.isolated {
        check(draft, "cpu.isolated", cpus, &choice.online);
        choice.isolated = cpus.clone();
        choice.why.push(format!("CPUs {cpus}: isolated by name"));
        check_isolated(draft, cpus, cores, &choice.online);
    }
    let both = choice.isolated.intersection(&choice.reserved);
    if !both.is_empty() {
        draft.refuse(
            Refusal::invalid("cpu", format!("isolated and reserved have CPUs in common: {both}"))
                .hint("take them out of one"),
        );
    }
}

fn check(draft: &mut Draft<'_>, field: &str, cpus: &CpuSet, online: &CpuSet) {
    if cpus.is_empty() {
        draft.refuse(
            Refusal::invalid(field, "no processor is named").hint("leave the field out, or say `auto`"),
        );
    }
    let facts = &draft.facts.cpu;
    let (offline, missing): (Vec<u32>, Vec<u32>) =
        cpus.difference(online).iter().partition(|cpu| facts.possible.contains(*cpu));
    let hint = format!("CPUs {online} run");
    for (cpus, what) in [(offline, "CPUs that are offline, or will be"), (missing, "CPUs that are not there")]
    {
        if !cpus.is_empty() {
            let cpus: CpuSet = cpus.into_iter().collect();
            draft.refuse(Refusal::impossible(field, format!("it names {what}: {cpus}")).hint(&hint));
        }
    }
}

fn check_isolated(draft: &mut Draft<'_>, cpus: &CpuSet, cores: &[Core], online: &CpuSet) {
    if !online.is_empty() && online.is_subset(cpus) {
        let what = "all processors would be isolated; none is left for the host";
        draft.refuse(
            Refusal::invalid("cpu.isolated", what).hint("leave at least one core of each NUMA node out"),
        );
    }
    if cpus.contains(0) {
        draft.note("CPU 0 is to be isolated; it does work for the whole host that cannot be moved");
    }
    for core in cores.iter().filter(|core| !core.cpus.is_disjoint(cpus) && !core.cpus.is_subset(cpus)) {
        let rest = core.cpus.difference(cpus);
        draft.note(format!(
            "{} are one physical core, and only part of it is isolated: {rest} will slow the rest down",
            core.name()
        ));
    }
}
