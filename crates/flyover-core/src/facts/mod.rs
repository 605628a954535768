//! What a host is, as data: read once by the hands, then thought about without touching the machine again.
//!
//! Invariants: nothing here says what should be; every list is sorted, so that equal hosts print equal JSON.
//! The field names are the stable output of `flyover node inspect -o json`.

mod boot;
mod cpu;
mod device;
mod memory;
mod service;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use boot::{BootFacts, GrubGenerator, Loader, ManagedOs, OsFacts};
pub use cpu::{Cache, CacheKind, Cpu, CpuFacts, CpuVendor};
pub use device::{Guarded, NetDevice, PciDevice};
pub use memory::{HugetlbMount, MemoryFacts, NumaFacts, PoolFacts};
pub use service::{Enablement, KubeletFacts, ServiceFacts};

use crate::UnitName;

/// Everything a lane may want to know of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The distribution, and who may change its image.
    pub os: OsFacts,
    /// The running kernel, its command line and what will boot next.
    pub boot: BootFacts,
    /// Processors, their topology and caches.
    pub cpu: CpuFacts,
    /// NUMA nodes, by number.
    pub numa: Vec<NumaFacts>,
    /// Memory and hugepages of the whole host.
    pub memory: MemoryFacts,
    /// PCI functions, by address.
    pub pci: Vec<PciDevice>,
    /// Network devices of the host's own network namespace, by name.
    pub net: Vec<NetDevice>,
    /// Devices that must stay as they are, because the host is reached through them.
    pub guarded: Vec<Guarded>,
    /// Services that matter to a fast datapath, and those that were asked for, under the name that was asked for.
    pub services: BTreeMap<UnitName, ServiceFacts>,
    /// How kubelet divides the host, where there is one.
    pub kubelet: Option<KubeletFacts>,
    /// What makes the host less safe than it looks, in words.
    #[serde(default)]
    pub taints: Vec<String>,
}

impl HostFacts {
    /// Whether the kernel translates the addresses of devices: it is so when there are groups. What dmesg says
    /// of an IOMMU that was found and then turned off is no answer.
    #[must_use]
    pub fn iommu_is_on(&self) -> bool {
        self.pci.iter().any(|device| device.group.is_some())
    }
}
