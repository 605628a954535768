//! What a switch needs of its host, with the reason of each part.
//!
//! The field names are the stable output of `flyover switch size -o json`.

use flyover_core::{CpuMask, CpuSet, HugepageSize, NumaNode};
use serde::Serialize;

use super::Release;

/// What a switch needs of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sizing {
    /// The Open vSwitch it is computed for.
    pub release: Release,
    /// The threads that poll.
    pub pmd: PmdSizing,
    /// The memory.
    pub memory: MemorySizing,
    /// Hugepages, by NUMA node; none with `--no-huge`.
    pub hugepages: Vec<Pages>,
    /// Processors that kubelet must not hand out (`reservedSystemCPUs`) beside the host's own.
    pub reserved: CpuSet,
    /// Why those.
    pub reserved_why: String,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// The threads that poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PmdSizing {
    /// `pmd-cpu-mask`.
    pub mask: CpuMask,
    /// The same as a list.
    pub cpus: CpuSet,
    /// Each physical core, and why.
    pub cores: Vec<PmdCore>,
}

/// A physical core that polls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PmdCore {
    /// Its hardware threads that poll.
    pub cpus: CpuSet,
    /// Its NUMA node.
    pub node: NumaNode,
    /// Why it polls.
    pub why: String,
}

/// The memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemorySizing {
    /// Who shares a pool.
    pub model: Model,
    /// The pools there will be.
    pub pools: Vec<MemPool>,
    /// What each NUMA node needs.
    pub nodes: Vec<NodeMemory>,
    /// `dpdk-socket-mem`; none with `--no-huge`.
    pub socket_mem: Option<String>,
    /// MiB of `-m` with `--no-huge`.
    pub no_huge: Option<u64>,
}

/// Who shares a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// All ports of an adjusted MTU on a NUMA node.
    Shared,
    /// Nobody: each port has its own.
    PerPort,
}

/// A pool of packets, or several alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemPool {
    /// Where it is.
    pub node: NumaNode,
    /// The MTU that fills its buffers.
    pub adjusted_mtu: u64,
    /// How many pools like this there are.
    pub count: u64,
    /// Packets of one.
    pub objects: u64,
    /// Bytes of a packet with all that belongs to it.
    pub object_bytes: u64,
    /// Bytes of all its packets, and of all pools like this.
    pub bytes: u64,
    /// The same as they lie in pages.
    pub paged_bytes: u64,
    /// Whose it is.
    pub why: String,
}

/// The memory of a NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeMemory {
    /// Which.
    pub node: NumaNode,
    /// MiB it gets.
    pub mib: u64,
    /// MiB its pools need at least.
    pub pools_mib: u64,
    /// What the computed need is made of.
    pub parts: Vec<Part>,
    /// MiB that would be computed.
    pub computed_mib: u64,
    /// Why it gets so many.
    pub why: String,
}

/// A part of the memory of a NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// How many bytes.
    pub bytes: u64,
    /// What for.
    pub why: String,
}

/// Hugepages of a NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pages {
    /// Where.
    pub node: NumaNode,
    /// Which pages.
    pub size: HugepageSize,
    /// How many the switch takes.
    pub needed: u64,
    /// MiB of hugepages, of all sizes, that the node has.
    pub there_mib: u64,
    /// MiB of them that nobody has.
    pub free_mib: u64,
    /// Why so many.
    pub why: String,
}
