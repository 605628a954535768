//! Hugepages: which sizes there are, and how many of them fit where.
//!
//! Sources: Documentation/admin-guide/mm/hugetlbpage.rst; `hugepages=NODE:COUNT` since kernel 5.16.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::{HugepagePoolSpec, When};
use flyover_core::facts::{CpuVendor, HostFacts, NumaFacts};
use flyover_core::{HugepageSize, Kib, NumaNode, Refusal};

use super::Draft;
use crate::Pool;

/// What stays with the host wherever pages are taken, at most: an eighth of small nodes.
const MARGIN: u64 = 512 << 10;

/// Since when the command line can name nodes.
const NODES_IN_ARGS: (u32, u32) = (5, 16);

pub(super) fn settle(draft: &mut Draft<'_>) {
    let spec = &draft.spec.hugepages;
    for (i, pool) in spec.pages.iter().enumerate() {
        let field = format!("hugepages.pages[{i}]");
        check_size(draft, &field, pool);
        check_node(draft, &field, pool);
        check_repeated(draft, &field, i);
        let &HugepagePoolSpec { size, count, node, when } = pool;
        draft.settled.pools.push(Pool { size, node, count, when });
    }
    draft.settled.pools.sort_by_key(|pool| (pool.size, pool.node));
    check_memory(draft);
    ask(draft);
    warn(draft);
}

/// Whether pages of a size can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The running kernel has them.
    Now,
    /// The processor has them, and the kernel once its command line names them.
    AtBoot,
    /// Neither.
    Never,
}

/// Whether this host has pages of that size.
pub(super) fn offer(facts: &HostFacts, size: HugepageSize) -> Offer {
    if facts.memory.hugepages.contains_key(&size) {
        return Offer::Now;
    }
    let x86 = matches!(facts.cpu.vendor, CpuVendor::Intel | CpuVendor::Amd);
    let flag = flag_of(size).is_some_and(|flag| facts.cpu.flags.contains(flag));
    if x86 && flag && !facts.memory.hugepages.is_empty() { Offer::AtBoot } else { Offer::Never }
}

fn flag_of(size: HugepageSize) -> Option<&'static str> {
    match size {
        HugepageSize::TWO_MIB => Some("pse"),
        HugepageSize::ONE_GIB => Some("pdpe1gb"),
        _ => None,
    }
}

/// The refusal of a size this host does not have.
pub(super) fn no_such_size(facts: &HostFacts, field: &str, size: HugepageSize) -> Refusal {
    let sizes: Vec<String> = facts.memory.hugepages.keys().map(HugepageSize::to_string).collect();
    let refusal = Refusal::impossible(field, format!("this host has no hugepages of {size}"));
    let x86 = matches!(facts.cpu.vendor, CpuVendor::Intel | CpuVendor::Amd);
    match (sizes.is_empty(), flag_of(size)) {
        (true, _) => refusal.hint("the running kernel was built without hugetlbfs"),
        (_, Some(flag)) if x86 => refusal.hint(format!(
            "the processor's flag {flag} is missing; there are {}. In a VM, pass the host's processor through",
            sizes.join(", ")
        )),
        _ => refusal.hint(format!("there are {}", sizes.join(", "))),
    }
}

fn check_size(draft: &mut Draft<'_>, field: &str, pool: &HugepagePoolSpec) {
    match (offer(draft.facts, pool.size), pool.when) {
        (Offer::Never, _) => {
            draft.refuse(no_such_size(draft.facts, &format!("{field}.size"), pool.size));
        }
        (Offer::AtBoot, When::Runtime) => draft.refuse(
            Refusal::impossible(
                format!("{field}.when"),
                format!(
                    "the running kernel offers no pages of {} unless its command line names them",
                    pool.size
                ),
            )
            .hint("say `when: boot`"),
        ),
        _ => {}
    }
}

fn check_node(draft: &mut Draft<'_>, field: &str, pool: &HugepagePoolSpec) {
    let Some(node) = pool.node else { return };
    let field = format!("{field}.node");
    let nodes: Vec<String> = with_memory(draft.facts).map(|n| n.id.to_string()).collect();
    match draft.facts.numa.iter().find(|n| n.id == node) {
        None => draft.refuse(
            Refusal::impossible(field, format!("there is no NUMA node {node}"))
                .hint(format!("NUMA nodes with memory: {}", nodes.join(", "))),
        ),
        Some(facts) if facts.memory.0 == 0 => draft.refuse(
            Refusal::impossible(field, format!("NUMA node {node} has no memory"))
                .hint(format!("NUMA nodes with memory: {}", nodes.join(", "))),
        ),
        Some(_) if pool.when == When::Boot && !draft.facts.boot.is_at_least(NODES_IN_ARGS) => draft.refuse(
            Refusal::impossible(
                field,
                format!(
                    "kernel {} cannot take pages of one node at boot (5.16 can)",
                    draft.facts.boot.release
                ),
            )
            .hint("say `when: runtime`, or leave out `node`"),
        ),
        Some(_) => {}
    }
}

fn check_repeated(draft: &mut Draft<'_>, field: &str, at: usize) {
    let pages = &draft.spec.hugepages.pages;
    let pool = &pages[at];
    let same_size = || pages[..at].iter().enumerate().filter(|(_, other)| other.size == pool.size);
    let refusal = if let Some((i, _)) = same_size().find(|(_, other)| other.node == pool.node) {
        let place = pool.node.map_or("the whole host".to_owned(), |node| format!("NUMA node {node}"));
        Refusal::invalid(
            field,
            format!("pages of {} on {place} are asked for at hugepages.pages[{i}] too", pool.size),
        )
        .hint("keep one of them")
    } else if let Some((i, _)) = same_size().find(|(_, other)| other.node.is_some() != pool.node.is_some()) {
        let what = format!(
            "pages of {} are asked for by node and, at hugepages.pages[{i}], for the whole host",
            pool.size
        );
        let (what, hint) = match pool.node {
            Some(_) => (what, "name a node at each, or at none"),
            None => (
                format!(
                    "pages of {} are asked for the whole host and, at hugepages.pages[{i}], by node",
                    pool.size
                ),
                "name a node at each, or at none",
            ),
        };
        Refusal::invalid(field, what).hint(hint)
    } else {
        return;
    };
    draft.refuse(refusal);
}

fn with_memory(facts: &HostFacts) -> impl Iterator<Item = &NumaFacts> {
    facts.numa.iter().filter(|node| node.memory.0 > 0)
}

fn margin(memory: Kib) -> u64 {
    MARGIN.min(memory.0 / 8)
}

/// What is asked for must fit into the memory there is, and what a running kernel is to find, into what it can free.
fn check_memory(draft: &mut Draft<'_>) {
    let facts = draft.facts;
    let whole = Place { name: "this host".into(), memory: facts.memory.total, free: facts.memory.available };
    check_place(draft, &whole, |_| true);
    // Cache is given up for hugepages, but which node it is on is not known: no node has more of it than all.
    let free: u64 = facts.numa.iter().map(|node| node.free.0).sum();
    let cache = facts.memory.available.0.saturating_sub(free);
    for node in with_memory(facts) {
        let free = Kib(node.free.0.saturating_add(cache).min(node.memory.0));
        let place = Place { name: format!("NUMA node {}", node.id), memory: node.memory, free };
        let id = node.id;
        check_place(draft, &place, move |at| at == Some(id));
    }
}

struct Place {
    name: String,
    memory: Kib,
    free: Kib,
}

fn check_place(draft: &mut Draft<'_>, place: &Place, is_here: impl Fn(Option<NumaNode>) -> bool) {
    let pools: Vec<&Pool> = draft.settled.pools.iter().filter(|pool| is_here(pool.node)).collect();
    let kib = |count: u64, size: HugepageSize| count.saturating_mul(size.kib());
    let all = pools.iter().fold(0, |sum: u64, pool| sum.saturating_add(kib(pool.count, pool.size)));
    let grows = pools.iter().filter(|pool| pool.when == When::Runtime).fold(0, |sum: u64, pool| {
        sum.saturating_add(kib(pool.count.saturating_sub(there(draft.facts, pool)), pool.size))
    });
    let keep = margin(place.memory);
    let most = place.memory.0.saturating_sub(keep);
    let refusal = if all > most {
        format!("{} of hugepages do not fit on {}: it has {}", Kib(all), place.name, place.memory)
    } else if grows > 0 && grows > place.free.0.saturating_sub(keep) {
        format!("{} more of hugepages do not fit on {}: {} can be had", Kib(grows), place.name, place.free)
    } else {
        return;
    };
    let hint = format!("{} stay with the host; ask for fewer pages, or take them at boot", Kib(keep));
    draft.refuse(Refusal::impossible("hugepages.pages", refusal).hint(hint));
}

/// How many pages of a pool there are already.
pub(crate) fn there(facts: &HostFacts, pool: &Pool) -> u64 {
    let pools = match pool.node {
        None => Some(&facts.memory.hugepages),
        Some(node) => facts.numa.iter().find(|n| n.id == node).map(|n| &n.hugepages),
    };
    pools.and_then(|pools| pools.get(&pool.size)).map_or(0, |pool| pool.total)
}

fn ask(draft: &mut Draft<'_>) {
    if let Some(size) = draft.spec.hugepages.default_size {
        draft.settled.default_size = Some(size);
        match offer(draft.facts, size) {
            Offer::Never => draft.refuse(no_such_size(draft.facts, "hugepages.defaultSize", size)),
            _ => draft.ask(&format!("default_hugepagesz={size}"), "hugepages.defaultSize"),
        }
    }
    let mut sizes: BTreeMap<HugepageSize, Vec<String>> = BTreeMap::new();
    for pool in draft.settled.pools.iter().filter(|pool| pool.when == When::Boot) {
        let text = pool.node.map_or(pool.count.to_string(), |node| format!("{node}:{}", pool.count));
        sizes.entry(pool.size).or_default().push(text);
    }
    for (size, counts) in sizes {
        // The kernel reads a count as of the size named before it.
        draft.ask(&format!("hugepagesz={size}"), format!("hugepages of {size} at boot"));
        draft
            .ask(&format!("hugepages={}", counts.join(",")), format!("how many hugepages of {size} at boot"));
    }
}

/// Says what both of the documents trip over.
fn warn(draft: &mut Draft<'_>) {
    let default = draft.spec.hugepages.default_size.or(draft.facts.memory.default_hugepage);
    let Some(default) = default else { return };
    let others: BTreeSet<_> =
        draft.settled.pools.iter().map(|pool| pool.size).filter(|s| *s != default).collect();
    if !others.is_empty() && draft.spec.hugepages.default_size.is_none() {
        draft.note(format!(
            "{default} stays the default size of hugepages; `hugepages.defaultSize` would change it"
        ));
    }
    for size in others {
        draft.note(format!(
            "pages of {size} do not show in /proc/meminfo, which counts those of {default} alone; \
             see /sys/kernel/mm/hugepages/{}",
            size.sysfs()
        ));
    }
}
