//! Hugepages: which sizes there are, and how many of them fit where.
//!
//! Sources: Documentation/admin-guide/mm/hugetlbpage.rst; `hugepages=NODE:COUNT` since kernel 5.16.

mod memory;
mod size;

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::{HugepagePoolSpec, When};
use flyover_core::{HugepageSize, Refusal};

use super::Draft;
use crate::Pool;

pub(crate) use memory::there;
pub(super) use size::{Offer, no_such_size, offer};

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
    memory::check(draft);
    ask(draft);
    warn(draft);
    let at_run_time = draft.settled.pools.iter().any(|pool| pool.when == When::Runtime);
    if at_run_time && !draft.facts.os.systemd {
        draft.note("systemd does not run this host, so hugepages taken now do not come back after a boot");
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
    let nodes: Vec<String> = memory::with_memory(draft.facts).map(|n| n.id.to_string()).collect();
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

fn ask(draft: &mut Draft<'_>) {
    if let Some(size) = draft.spec.hugepages.default_size {
        draft.settled.default_size = Some(size);
        match offer(draft.facts, size) {
            Offer::Never => draft.refuse(no_such_size(draft.facts, "hugepages.defaultSize", size)),
            _ => draft.ask(
                &format!("default_hugepagesz={size}"),
                "hugepages.defaultSize: what is meant where none is named",
            ),
        }
    }
    let mut sizes: BTreeMap<HugepageSize, Vec<String>> = BTreeMap::new();
    for pool in draft.settled.pools.iter().filter(|pool| pool.when == When::Boot) {
        let text = pool.node.map_or(pool.count.to_string(), |node| format!("{node}:{}", pool.count));
        sizes.entry(pool.size).or_default().push(text);
    }
    for (size, counts) in sizes {
        // The kernel reads a count as of the size named before it.
        draft.ask(&format!("hugepagesz={size}"), format!("hugepages.pages: {size} at boot"));
        draft.ask(
            &format!("hugepages={}", counts.join(",")),
            format!("hugepages.pages: how many of {size} at boot"),
        );
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
