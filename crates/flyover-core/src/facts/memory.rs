//! Memory, NUMA nodes and hugepages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CpuSet, HostPath, HugepageSize, Kib, NumaNode};

/// Memory of the whole host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFacts {
    /// All of it.
    pub total: Kib,
    /// What could be had without swapping.
    pub available: Kib,
    /// The size that `hugepages=` without a size, and `/proc/meminfo`, speak of.
    pub default_hugepage: Option<HugepageSize>,
    /// Pools of the whole host, one for each size the kernel offers.
    pub hugepages: BTreeMap<HugepageSize, PoolFacts>,
    /// Where hugepages are mounted.
    pub mounts: Vec<HugetlbMount>,
}

/// One NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaFacts {
    /// Its number; not in sequence everywhere.
    pub id: NumaNode,
    /// Its online processors.
    pub cpus: CpuSet,
    /// All its memory.
    pub memory: Kib,
    /// What is free of it.
    pub free: Kib,
    /// Distance to each node, in the order of the nodes.
    pub distances: Vec<u32>,
    /// Its hugepages.
    pub hugepages: BTreeMap<HugepageSize, PoolFacts>,
}

/// Hugepages of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFacts {
    /// `nr_hugepages`.
    pub total: u64,
    /// `free_hugepages`.
    pub free: u64,
    /// `surplus_hugepages`.
    pub surplus: u64,
}

/// A mounted hugetlbfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugetlbMount {
    /// Where.
    pub path: HostPath,
    /// Which pages; the default size where the mount does not say.
    pub size: Option<HugepageSize>,
    /// The mount's options as the kernel prints them.
    pub options: String,
}
