//! Hugepages: which size the switch takes, how many, and whether they are there.

use flyover_core::facts::{HostFacts, PoolFacts};
use flyover_core::{HugepageSize, NumaNode, Refusal};

use super::settle::Draft;
use super::{NodeMemory, Pages};

const KIB: u64 = 1024;

/// The size that memory is counted in: the greatest of which there are pages, else 1 GiB where the kernel offers it,
/// else its default.
pub(super) fn size(host: &HostFacts) -> HugepageSize {
    let offered = || host.memory.hugepages.iter();
    let taken = offered().filter(|(size, pool)| pool.total > 0 && size.kib() <= HugepageSize::ONE_GIB.kib());
    let taken = taken.map(|(size, _)| *size).max_by_key(|size| size.kib());
    let large = offered().map(|(size, _)| *size).find(|size| *size == HugepageSize::ONE_GIB);
    taken.or(large).or(host.memory.default_hugepage).unwrap_or(HugepageSize::TWO_MIB)
}

/// The pages for that memory; refused where the node has fewer.
pub(super) fn settle(draft: &mut Draft<'_>, nodes: &[NodeMemory], size: HugepageSize) -> Vec<Pages> {
    let pages: Vec<Pages> = nodes.iter().map(|node| of_node(draft.host, node, size)).collect();
    for (pages, node) in pages.iter().zip(nodes) {
        if node.mib > pages.there_mib {
            let what = format!(
                "NUMA node {} has {} MiB of hugepages, and {} are needed",
                node.node, pages.there_mib, node.mib
            );
            draft.refuse(Refusal::impossible("dpdk.socketMemory", what).hint(stanza(pages)));
        }
    }
    pages
}

/// Says where the directory that is named for pages is none.
pub(super) fn note_mount(draft: &mut Draft<'_>) {
    let Some(dir) = draft.spec.dpdk.hugepage_dir.clone() else { return };
    if !draft.host.memory.mounts.iter().any(|mount| mount.path == dir) {
        draft.note(format!(
            "no hugepages are mounted at {dir}; without `dpdk.hugepageDir` DPDK finds them by itself"
        ));
    }
}

fn of_node(host: &HostFacts, node: &NodeMemory, size: HugepageSize) -> Pages {
    let needed = (node.mib * KIB).div_ceil(size.kib());
    Pages {
        node: node.node,
        size,
        needed,
        there_mib: mib(host, node.node, |pool| pool.total),
        free_mib: mib(host, node.node, |pool| pool.free),
        why: format!("{} MiB in pages of {size}", node.mib),
    }
}

/// MiB of hugepages of all sizes on a node. What is taken is there too: the switch itself may have it.
fn mib(host: &HostFacts, node: NumaNode, count: impl Fn(&PoolFacts) -> u64) -> u64 {
    let numa = host.numa.iter().find(|numa| numa.id == node);
    let pools = numa.map_or(&host.memory.hugepages, |numa| &numa.hugepages);
    pools.iter().map(|(size, pool)| size.kib() * count(pool)).sum::<u64>() / KIB
}

/// What takes the pages, for `flyover node`.
fn stanza(pages: &Pages) -> String {
    format!(
        "take them with `flyover node apply` and a profile that has `hugepages: {{pages: [{{size: {}, count: {}, node: \
         {}}}]}}`, and more for guests",
        pages.size, pages.needed, pages.node
    )
}
