//! The ports that memory and threads are sized for: uplinks, and those that will come.

use std::collections::BTreeSet;

use flyover_core::facts::HostFacts;
use flyover_core::{NumaNode, Refusal};

use super::settle::Draft;
use super::uplinks::Way;

/// The MTU of an uplink whose bridge names none.
pub(super) const USUAL_MTU: u32 = 1500;

/// What netdev-dpdk.c takes: an IPv4 packet of the least length, and the longest frame less its header.
const MTUS: std::ops::RangeInclusive<u32> = 68..=9702;

/// More queues than any device or guest has.
const MOST_QUEUES: u32 = 1024;

/// More ports than a switch has numbers for.
const MOST_PORTS: u32 = 65_280;

/// Most descriptors of a queue.
pub(super) const MOST_DESCRIPTORS: u32 = 4096;

/// Descriptors of a queue unless said otherwise, and of every queue of a guest's port.
const DESCRIPTORS: (u32, u32) = (2048, 2048);

/// Ports that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// In words: `uplink dpdk0`, `16 expected ports`.
    pub(super) name: String,
    /// A way out of the host, or a guest's.
    pub(super) uplink: bool,
    /// Where their memory is; several where nobody knows which.
    pub(super) nodes: Vec<NumaNode>,
    /// How many.
    pub(super) count: u32,
    /// Their MTU.
    pub(super) mtu: u32,
    /// Queues they receive by.
    pub(super) queues: u32,
    /// Descriptors of a queue, `(receive, send)`.
    pub(super) descriptors: (u32, u32),
}

/// The NUMA nodes that have memory, or node 0 of a host without.
pub(super) fn nodes(host: &HostFacts) -> Vec<NumaNode> {
    let nodes: Vec<NumaNode> =
        host.numa.iter().filter(|node| node.memory.0 > 0).map(|node| node.id).collect();
    if nodes.is_empty() { vec![NumaNode(0)] } else { nodes }
}

/// All ports, uplinks first. What is refused elsewhere for being too much is cut here, so that sums stay sums.
pub(super) fn all(draft: &Draft<'_>, ways: &[Way]) -> Vec<Ports> {
    let uplinks = ways.iter().map(|way| Ports {
        name: format!("uplink {}", way.name),
        uplink: true,
        nodes: vec![way.node],
        count: 1,
        mtu: within_mtus(way.mtu.unwrap_or(USUAL_MTU)),
        queues: way.queues.unwrap_or(1).min(MOST_QUEUES),
        descriptors: way.descriptors.map_or(DESCRIPTORS, |(receive, send)| {
            (receive.min(MOST_DESCRIPTORS), send.min(MOST_DESCRIPTORS))
        }),
    });
    let everywhere = nodes(draft.host);
    let expected = draft.spec.expected_ports.iter().filter(|ports| ports.count > 0).map(|ports| Ports {
        name: format!("{} expected {}", ports.count, if ports.count == 1 { "port" } else { "ports" }),
        uplink: false,
        nodes: ports.node.map_or_else(|| everywhere.clone(), |node| vec![node]),
        count: ports.count.min(MOST_PORTS),
        mtu: within_mtus(ports.mtu),
        queues: ports.queues.clamp(1, MOST_QUEUES),
        descriptors: DESCRIPTORS,
    });
    uplinks.chain(expected).collect()
}

/// Refuses expected ports that cannot be.
pub(super) fn check(draft: &mut Draft<'_>) {
    let there: BTreeSet<NumaNode> = nodes(draft.host).into_iter().collect();
    for (i, ports) in draft.spec.expected_ports.clone().into_iter().enumerate() {
        let field = format!("expectedPorts[{i}]");
        check_mtu(draft, &format!("{field}.mtu"), ports.mtu);
        check_queues(draft, &format!("{field}.queues"), ports.queues);
        if ports.count > MOST_PORTS {
            let what = format!("{} are more ports than a bridge has numbers for ({MOST_PORTS})", ports.count);
            draft.refuse(Refusal::invalid(format!("{field}.count"), what));
        }
        if let Some(node) = ports.node.filter(|node| !there.contains(node)) {
            let known = there.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let what = format!("there is no NUMA node {node} with memory");
            let refusal = Refusal::impossible(format!("{field}.node"), what);
            draft.refuse(refusal.hint(format!("the nodes are {known}")));
        }
    }
}

/// Refuses an MTU that netdev-dpdk does not take.
pub(super) fn check_mtu(draft: &mut Draft<'_>, field: &str, mtu: u32) {
    if !MTUS.contains(&mtu) {
        let what = format!("{mtu} is no MTU of a port of DPDK ({} to {})", MTUS.start(), MTUS.end());
        draft.refuse(Refusal::invalid(field, what));
    }
}

/// Refuses a number of queues that no port has.
pub(super) fn check_queues(draft: &mut Draft<'_>, field: &str, queues: u32) {
    if !(1..=MOST_QUEUES).contains(&queues) {
        draft.refuse(Refusal::invalid(field, format!("no port has {queues} queues (1 to {MOST_QUEUES})")));
    }
}

fn within_mtus(mtu: u32) -> u32 {
    mtu.clamp(*MTUS.start(), *MTUS.end())
}
