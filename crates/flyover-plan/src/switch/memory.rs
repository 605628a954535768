//! The memory of each NUMA node: its pools to the byte, and an allowance for the rest.
//!
//! Invariant: a pool has room for all its packets. Where it has not, the switch takes half of them, or none at all and
//! the port is gone, by what happens to be free; nothing is built on that.

use std::collections::BTreeMap;

use flyover_core::{NumaNode, Refusal};

use super::extra::Extra;
use super::ports::{Ports, nodes};
use super::settle::Draft;
use super::{
    MemPool, MemorySizing, Model, NodeMemory, Part, adjusted_mtu, objects_of_port, objects_shared, pool,
};

const MIB: u64 = 1 << 20;

/// What DPDK takes for itself on a node: its own tables, devices' queues, telemetry.
const OWN: u64 = 64 * MIB;

/// What a pair of queues takes beside its packets: rings, shadow rings, a guest's IOTLB.
const QUEUES: u64 = MIB;

/// What memory depends on beside ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    /// How many threads poll.
    pub(super) threads: u32,
    /// Bytes of a page.
    pub(super) page: u64,
    /// What DPDK is told besides.
    pub(super) extra: Extra,
}

/// The memory for those ports.
pub(super) fn settle(draft: &mut Draft<'_>, ports: &[Ports], ground: Ground) -> MemorySizing {
    let pools = pools(draft, ports, ground);
    let mut nodes: Vec<NodeMemory> =
        nodes(draft.host).into_iter().map(|node| of_node(node, &pools, ports, ground.page)).collect();
    let (socket_mem, no_huge) = if ground.extra.no_huge {
        (None, check_no_huge(draft, &nodes, ground.extra))
    } else {
        given(draft, &mut nodes);
        check_limit(draft, &nodes);
        (Some(list(&nodes)), None)
    };
    MemorySizing { model: model(draft), pools, nodes, socket_mem, no_huge }
}

fn model(draft: &Draft<'_>) -> Model {
    if draft.spec.dpdk.per_port_memory { Model::PerPort } else { Model::Shared }
}

fn pools(draft: &Draft<'_>, ports: &[Ports], ground: Ground) -> Vec<MemPool> {
    let model = model(draft);
    let mut pools: BTreeMap<(NumaNode, u64, u64), (u64, Vec<String>)> = BTreeMap::new();
    for ports in ports {
        let objects = match model {
            Model::Shared => objects_shared(ports.mtu),
            Model::PerPort => of_own(ports, ground.threads),
        };
        for node in &ports.nodes {
            let key = (*node, adjusted_mtu(ports.mtu), objects);
            let (count, names) = pools.entry(key).or_default();
            *count += if model == Model::Shared { u64::from(*count == 0) } else { u64::from(ports.count) };
            names.push(format!("{} with MTU {}", ports.name, ports.mtu));
        }
    }
    let pool =
        |((node, adjusted_mtu, objects), (count, names)): ((NumaNode, u64, u64), (u64, Vec<String>))| {
            let object_bytes = pool::object_bytes(adjusted_mtu, draft.release.overhead);
            MemPool {
                node,
                adjusted_mtu,
                count,
                objects,
                object_bytes,
                bytes: count * objects * object_bytes,
                paged_bytes: count * pool::in_pages(objects, object_bytes, ground.page),
                why: names.join(", "),
            }
        };
    pools.into_iter().map(pool).collect()
}

/// A guest sends by as many queues as it receives by; an uplink has one for each thread that polls, and one more.
fn of_own(ports: &Ports, threads: u32) -> u64 {
    let send = if ports.uplink { threads + 1 } else { ports.queues };
    objects_of_port((ports.queues, send), ports.descriptors)
}

fn of_node(node: NumaNode, pools: &[MemPool], ports: &[Ports], page: u64) -> NodeMemory {
    let here = || pools.iter().filter(move |pool| pool.node == node);
    let mut parts: Vec<Part> = here().map(of_pool).collect();
    let rings: u64 = here().map(|pool| pool.count * pool::ring_bytes(pool.objects)).sum();
    let lost: u64 = here().map(|pool| pool.paged_bytes - pool.bytes).sum();
    let queues: u64 = ports.iter().filter(|ports| ports.nodes.contains(&node)).map(queues_of).sum();
    let add = |parts: &mut Vec<Part>, bytes: u64, why: &str| {
        if bytes > 0 {
            parts.push(Part { bytes, why: why.to_owned() });
        }
    };
    add(&mut parts, lost, "ends of pages, for no packet crosses from one page to the next");
    add(&mut parts, rings, "rings of free packets, 8 bytes for each, a power of two");
    let caches = here().map(|pool| pool.count).sum::<u64>() * pool::CACHES;
    add(&mut parts, caches, "caches of free packets, one for each of 128 threads of a pool");
    add(&mut parts, queues, "queues: rings and a guest's IOTLB, 1 MiB a pair (allowance)");
    // A node without ports needs nothing; where no port is known, any may get some.
    if here().next().is_some() || pools.is_empty() {
        add(&mut parts, OWN, "DPDK itself: its tables, devices and telemetry (allowance)");
    }
    let sum: u64 = parts.iter().map(|part| part.bytes).sum();
    let computed_mib = sum.next_multiple_of(page.max(MIB)) / MIB;
    let pools_mib = here().map(|pool| pool.paged_bytes).sum::<u64>().div_ceil(MIB);
    let why = match (pools_mib, sum) {
        (0, 0) => "no port is here".to_owned(),
        (0, _) => "no port is known yet, so this is for no packets".to_owned(),
        _ => format!("{} MiB, in whole pages", sum.div_ceil(MIB)),
    };
    NodeMemory { node, mib: computed_mib, pools_mib, parts, computed_mib, why }
}

fn of_pool(pool: &MemPool) -> Part {
    let count = if pool.count == 1 { "a pool".to_owned() } else { format!("{} pools", pool.count) };
    let why = format!(
        "{count} of {} packets of {} bytes, adjusted MTU {}: {}",
        pool.objects, pool.object_bytes, pool.adjusted_mtu, pool.why
    );
    Part { bytes: pool.bytes, why }
}

fn queues_of(ports: &Ports) -> u64 {
    u64::from(ports.count) * u64::from(ports.queues) * QUEUES
}

/// Puts what the spec says in place of what was computed, unless the pools do not fit.
fn given(draft: &mut Draft<'_>, nodes: &mut [NodeMemory]) {
    let Some(given) = draft.spec.dpdk.socket_memory.clone() else { return };
    let field = "dpdk.socketMemory";
    let sockets = nodes.iter().map(|node| node.node.0 as usize + 1).max().unwrap_or(1);
    if given.len() > sockets {
        let what = format!("{} nodes are named, and this host has {sockets}", given.len());
        draft.refuse(Refusal::impossible(field, what).hint("one number for each NUMA node, in their order"));
    }
    for node in nodes.iter_mut() {
        node.mib = given.get(node.node.0 as usize).copied().unwrap_or(0).into();
        node.why = format!("named in the spec; {} MiB would be computed", node.computed_mib);
        if node.mib < node.pools_mib {
            let what = format!(
                "NUMA node {} gets {} MiB, and its pools need {}: {}",
                node.node,
                node.mib,
                node.pools_mib,
                needs(node)
            );
            let hint = format!("leave it out for {} MiB, or lower an MTU", node.computed_mib);
            draft.refuse(Refusal::invalid(field, what).hint(hint));
        } else if node.pools_mib > 0
            && node.mib < node.parts.iter().map(|p| p.bytes).sum::<u64>().div_ceil(MIB)
        {
            draft.note(format!(
                "NUMA node {} gets {} MiB: its pools need {}, and little is left for the rest of DPDK",
                node.node, node.mib, node.pools_mib
            ));
        }
    }
}

/// A limit below what is taken at the start is none.
fn check_limit(draft: &mut Draft<'_>, nodes: &[NodeMemory]) {
    let limits = draft.spec.dpdk.socket_limit.clone().unwrap_or_default();
    for NodeMemory { node, mib, .. } in nodes {
        let limit = limits.get(node.0 as usize).copied().map_or(0, u64::from);
        if limit > 0 && limit < *mib {
            let what = format!("NUMA node {node} may have {limit} MiB, and gets {mib} at the start");
            draft.refuse(Refusal::invalid("dpdk.socketLimit", what).hint("raise it, or leave it out"));
        }
    }
}

/// The pools of a node in words.
fn needs(node: &NodeMemory) -> String {
    let pools = node.parts.iter().filter(|part| part.why.contains("packets of"));
    pools.map(|part| part.why.clone()).collect::<Vec<_>>().join("; ")
}

/// Without hugepages there is one amount for all nodes.
fn check_no_huge(draft: &mut Draft<'_>, nodes: &[NodeMemory], extra: Extra) -> Option<u64> {
    let mib = extra.mib?;
    let pools: u64 = nodes.iter().map(|node| node.pools_mib).sum();
    if mib < pools {
        let why = nodes.iter().map(needs).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        let what = format!("`-m {mib}` MiB is less than the {pools} that the pools need: {why}");
        let hint = "raise it, or set `dpdk.perPortMemory: true`, which takes pools as small as their ports";
        draft.refuse(Refusal::invalid("dpdk.extra", what).hint(hint));
        return Some(mib);
    }
    let all: u64 = nodes.iter().map(|node| node.computed_mib).sum();
    if mib < all {
        draft.note(format!(
            "`-m {mib}` MiB has room for the pools, which need {pools}, and not for the rest of DPDK and the queues: a \
             port may not be made; {all} are computed for all"
        ));
    }
    Some(mib)
}

/// A number for each node by its own number, as DPDK counts sockets.
fn list(nodes: &[NodeMemory]) -> String {
    let last = nodes.iter().map(|node| node.node.0).max().unwrap_or(0);
    let of = |id: u32| nodes.iter().find(|node| node.node.0 == id).map_or(0, |node| node.mib);
    (0..=last).map(|id| of(id).to_string()).collect::<Vec<_>>().join(",")
}
