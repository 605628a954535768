//! Processors, their topology and caches.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{CpuSet, Kib, NumaNode};

/// All processors of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuFacts {
    /// Who made them.
    pub vendor: CpuVendor,
    /// What the maker calls them.
    pub model: String,
    /// Flags that decide something here, of those the kernel lists: `pdpe1gb`, `pse`, `hypervisor`, `vmx`, `svm`, …
    pub flags: BTreeSet<String>,
    /// All the kernel could ever have.
    pub possible: CpuSet,
    /// Those that run now.
    pub online: CpuSet,
    /// Those kept from the scheduler's balancing (`isolcpus=`).
    pub isolated: CpuSet,
    /// Those without a regular tick (`nohz_full=`).
    pub nohz_full: CpuSet,
    /// Whether hardware threads share cores now.
    pub smt: bool,
    /// The online processors, by number.
    pub cpus: Vec<Cpu>,
    /// Caches that processors share, by level and first processor.
    pub caches: Vec<Cache>,
}

/// One hardware thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Its number.
    pub id: u32,
    /// The NUMA node it is on.
    pub node: NumaNode,
    /// The socket.
    pub package: u32,
    /// The core's number within its socket; not in sequence everywhere.
    pub core: u32,
    /// All hardware threads of the same physical core that run now, itself among them.
    pub siblings: CpuSet,
}

/// Who made the processor: decides which IOMMU arguments mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuVendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD` and `HygonGenuine`.
    Amd,
    /// 64-bit ARM of any maker.
    Arm,
    /// Any other.
    Other,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cache {
    /// 1, 2, 3.
    pub level: u8,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size.
    pub size: Kib,
    /// The processors that share it.
    pub cpus: CpuSet,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheKind {
    /// Data alone.
    Data,
    /// Instructions alone.
    Instruction,
    /// Both.
    Unified,
}
