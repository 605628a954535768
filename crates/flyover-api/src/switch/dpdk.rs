//! DPDK in a switch: its memory, and the threads that poll.

use flyover_core::{CpuSet, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// DPDK's memory and what it may touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DpdkSpec {
    /// What happens where DPDK cannot start: `required` ends the switch, `try` goes on without it.
    pub init: DpdkInit,
    /// MiB for each NUMA node, in their order. Left out, it is computed from the ports and their MTUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_memory: Option<Vec<u32>>,
    /// MiB that DPDK may grow to for each NUMA node; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_limit: Option<Vec<u32>>,
    /// Where hugepages are mounted; DPDK finds them by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub hugepage_dir: Option<HostPath>,
    /// More arguments for DPDK: `--no-pci`. An argument has no blanks.
    pub extra: Vec<String>,
    /// Processors of all threads that do not poll. Leave it out: any processor that is not isolated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub lcores: Option<CpuSet>,
    /// Each port has a pool of its own, of the size it needs, instead of a big one that all share.
    pub per_port_memory: bool,
    /// Guests may have their own IOMMU in front of the switch's access to their memory.
    pub vhost_iommu: bool,
}

/// What happens where DPDK cannot start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DpdkInit {
    /// The switch ends.
    #[default]
    Required,
    /// The switch goes on without DPDK.
    Try,
}

/// The threads that poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PmdSpec {
    /// Their processors. Left out, they are whole physical cores by topology: `coresPerNode` of each NUMA node that has an
    /// uplink or expected ports, isolated ones if there are any, never the node's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cpus: Option<CpuSet>,
    /// How many physical cores of a NUMA node poll; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores_per_node: Option<u32>,
    /// The longest an idle thread sleeps, in microseconds; 0 never sleeps. For machines that share their processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sleep_us: Option<u32>,
    /// How queues are given to threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rxq_assign: Option<RxqAssign>,
    /// Queues move between threads by load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_balance: Option<bool>,
}

/// How queues are given to threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RxqAssign {
    /// By measured load, highest first, back and forth over the threads.
    Cycles,
    /// One after the other.
    Roundrobin,
    /// By measured load, always to the least loaded thread.
    Group,
}
