//! What the node is, in short.

use std::collections::BTreeMap;

use flyover_api::resource::NodeFacts;
use flyover_core::facts::HostFacts;

/// In short.
pub(crate) fn short(facts: &HostFacts, bridges: Vec<String>) -> NodeFacts {
    let pages = facts.memory.hugepages.iter().map(|(size, pool)| (size.to_string(), pool.total));
    NodeFacts {
        kernel: facts.boot.release.clone(),
        architecture: facts.boot.arch.clone(),
        boot_id: facts.boot.boot_id.clone(),
        cpus: u32::try_from(facts.cpu.online.len()).unwrap_or(u32::MAX),
        numa_nodes: u32::try_from(facts.numa.len()).unwrap_or(u32::MAX),
        hugepages: pages.collect::<BTreeMap<_, _>>(),
        bridges,
    }
}
