//! Decides what a spec leaves open, and refuses what contradicts itself or does not fit host or switch.
//!
//! Invariants: all refusals are collected; what is settled depends on nothing that carrying it out changes, but for the
//! version of a daemon that does not run yet.

use flyover_api::SwitchSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{CpuSet, Refusal, SwitchFacts};

use super::{
    Release, SettledSwitch, Sizing, bridges, extra, fold, memory, options, pages, pmd, ports, runtime,
    uplinks,
};

/// Bytes of a page of ordinary memory.
const SMALL_PAGE: u64 = 4096;

/// A spec half settled.
pub(super) struct Draft<'a> {
    /// The spec, its options in their fields.
    pub(super) spec: SwitchSpec,
    pub(super) host: &'a HostFacts,
    pub(super) release: Release,
    pub(super) refusals: Vec<Refusal>,
    pub(super) notes: Vec<String>,
}

impl Draft<'_> {
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

fn draft<'a>(spec: &SwitchSpec, host: &'a HostFacts, release: &Release) -> Draft<'a> {
    let (spec, refusals) = fold::fold(spec);
    Draft { spec, host, release: release.clone(), refusals, notes: Vec::new() }
}

/// What a switch needs of a host, and what keeps it from being set up there.
#[must_use]
pub fn size(spec: &SwitchSpec, host: &HostFacts, release: &Release) -> (Sizing, Vec<Refusal>) {
    let mut draft = draft(spec, host, release);
    let ways = uplinks::all(&mut draft);
    let sizing = sizing(&mut draft, &ways);
    (sizing, draft.refusals)
}

fn sizing(draft: &mut Draft<'_>, ways: &[uplinks::Way]) -> Sizing {
    runtime::check(draft);
    bridges::check(draft);
    extra::check(draft);
    ports::check(draft);
    pages::note_mount(draft);
    let ports = ports::all(draft, ways);
    let pmd = pmd::settle(draft, &ports);
    let threads =
        u32::try_from(pmd.cpus.len()).expect("kernels have fewer processors than there are numbers");
    let size = pages::size(draft.host);
    let read = extra::read(&draft.spec.dpdk.extra);
    let page = if read.no_huge { SMALL_PAGE } else { size.kib() * 1024 };
    let memory = memory::settle(draft, &ports, memory::Ground { threads, page, extra: read });
    let hugepages = if read.no_huge { Vec::new() } else { pages::settle(draft, &memory.nodes, size) };
    let reserved = pmd.cpus.union(&first_cores(draft.host));
    let reserved_why = "the first core of each NUMA node for the host, and those that poll: kubelet's static policy \
                        would give them to pods";
    Sizing {
        release: draft.release.clone(),
        pmd,
        memory,
        hugepages,
        reserved,
        reserved_why: reserved_why.to_owned(),
        notes: draft.notes.clone(),
    }
}

fn first_cores(host: &HostFacts) -> CpuSet {
    let firsts = host.numa.iter().filter_map(|node| node.cpus.first());
    let siblings = firsts.filter_map(|first| host.cpu.cpus.iter().find(|cpu| cpu.id == first));
    siblings.fold(CpuSet::new(), |all, cpu| all.union(&cpu.siblings)).intersection(&host.cpu.online)
}

/// Decides everything `spec` leaves open for a switch on a host.
pub fn settle(
    spec: &SwitchSpec,
    host: &HostFacts,
    switch: &SwitchFacts,
) -> Result<SettledSwitch, Vec<Refusal>> {
    let release = Release::of(switch.daemon.as_ref().map(|daemon| daemon.version.as_str()));
    settle_for(spec, host, switch, &release)
}

/// The same for a release that is known better than by its version.
pub fn settle_for(
    spec: &SwitchSpec,
    host: &HostFacts,
    switch: &SwitchFacts,
    release: &Release,
) -> Result<SettledSwitch, Vec<Refusal>> {
    let mut draft = draft(spec, host, release);
    check_daemon(&mut draft, switch);
    let ways = uplinks::all(&mut draft);
    let sizing = sizing(&mut draft, &ways);
    let (bridges, ports) = bridges::settle(&mut draft, &ways, switch);
    let start = options::start(&draft, &sizing);
    let live = options::live(&draft, &sizing);
    note_free(&mut draft, &sizing, switch);
    if !draft.refusals.is_empty() {
        return Err(draft.refusals);
    }
    Ok(SettledSwitch { at: switch.at.clone(), sizing, start, live, bridges, ports, notes: draft.notes })
}

/// What others have of the hugepages, a switch that does not have its own yet cannot get.
fn note_free(draft: &mut Draft<'_>, sizing: &Sizing, switch: &SwitchFacts) {
    if switch.daemon.as_ref().is_some_and(|daemon| daemon.dpdk_initialized) {
        return;
    }
    for (pages, node) in sizing.hugepages.iter().zip(&sizing.memory.nodes) {
        if pages.free_mib < node.mib {
            draft.note(format!(
                "NUMA node {} has {} MiB of hugepages, of which {} are free now: {} are needed",
                pages.node, pages.there_mib, pages.free_mib, node.mib
            ));
        }
    }
}

fn check_daemon(draft: &mut Draft<'_>, switch: &SwitchFacts) {
    if let Some(daemon) = switch.daemon.as_ref().filter(|daemon| !daemon.has_dpdk) {
        let what = format!("ovs-vswitchd {} is built without DPDK", daemon.version);
        let hint = "install one that has it (Debian: openvswitch-switch-dpdk), or name it in `runtime.processes.vswitchd`";
        draft.refuse(Refusal::impossible("runtime", what).hint(hint));
    }
    if switch.mempool_driver == Some(false) {
        let what = "no driver of DPDK's memory pools is installed, and without one every vhost port fails with \
                    `mempool … Invalid argument`";
        draft.refuse(Refusal::impossible("runtime", what).hint("install it (Debian: librte-mempool-ring23)"));
    }
}
