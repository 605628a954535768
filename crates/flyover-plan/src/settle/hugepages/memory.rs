//! Whether hugepages fit into the memory there is.
//!
//! Invariant: pages that are there already need no free memory, so that a profile that holds is never refused.

use flyover_api::When;
use flyover_core::facts::{HostFacts, NumaFacts};
use flyover_core::{HugepageSize, Kib, NumaNode, Refusal};

use super::super::Draft;
use crate::Pool;

/// What stays with the host wherever pages are taken, at most: an eighth of small nodes.
const MARGIN: u64 = 512 << 10;

/// The NUMA nodes pages can be on.
pub(super) fn with_memory(facts: &HostFacts) -> impl Iterator<Item = &NumaFacts> {
    facts.numa.iter().filter(|node| node.memory.0 > 0)
}

fn margin(memory: Kib) -> u64 {
    MARGIN.min(memory.0 / 8)
}

/// What is asked for must fit into the memory there is, and what a running kernel is to find, into what it can free.
pub(super) fn check(draft: &mut Draft<'_>) {
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
    let (what, hint) = if all > most {
        let what = format!("{} of hugepages do not fit on {}: it has {}", Kib(all), place.name, place.memory);
        (what, "ask for fewer pages")
    } else if grows > 0 && grows > place.free.0.saturating_sub(keep) {
        let (more, free) = (Kib(grows), place.free);
        let what = format!("{more} more of hugepages do not fit on {}: {free} can be had", place.name);
        (what, "ask for fewer pages, or take them at boot")
    } else {
        return;
    };
    let hint = format!("{hint}; {} stay with the host", Kib(keep));
    draft.refuse(Refusal::impossible("hugepages.pages", what).hint(hint));
}

/// How many pages of a pool there are already.
pub(crate) fn there(facts: &HostFacts, pool: &Pool) -> u64 {
    let pools = match pool.node {
        None => Some(&facts.memory.hugepages),
        Some(node) => facts.numa.iter().find(|n| n.id == node).map(|n| &n.hugepages),
    };
    pools.and_then(|pools| pools.get(&pool.size)).map_or(0, |pool| pool.total)
}
