//! A profile with nothing left to decide: what the planner plans from, and what the emitters render.
//!
//! Invariant: everything here has been checked against the host's facts; rendering it cannot fail.

use std::collections::BTreeMap;

use flyover_api::{HugepageMountSpec, Iommu, When};
use flyover_core::facts::Enablement;
use flyover_core::{
    ArgEdit, CpuSet, DriverName, FileMode, HostPath, HugepageSize, ModuleName, NumaNode, PciAddr, PciId,
    SysctlKey, UnitName,
};
use serde::Serialize;

/// A profile on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The whole change of the command line: hugepages at boot, IOMMU, isolation, and what was asked for by name.
    pub args: ArgEdit,
    /// Why each argument of `args.set` is there, in its order.
    pub args_why: Vec<String>,
    /// The IOMMU, where the profile says.
    pub iommu: Option<Iommu>,
    /// Which processors are for what, where the profile says.
    pub cpu: Option<CpuChoice>,
    /// `default_hugepagesz`, where the profile says.
    pub default_size: Option<HugepageSize>,
    /// Hugepages, each size and node once.
    pub pools: Vec<Pool>,
    /// Mounts of hugepages.
    pub mounts: Vec<HugepageMountSpec>,
    /// Devices and the drivers they are to have, by address.
    pub drivers: Vec<DriverChoice>,
    /// Modules to load, with what the drivers need.
    pub modules: BTreeMap<ModuleName, BTreeMap<String, String>>,
    /// Sysctls.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// Services, under their own names.
    pub services: BTreeMap<UnitName, Enablement>,
    /// Files people asked for.
    pub files: BTreeMap<HostPath, OwnFile>,
    /// Whether vfio-pci may have devices without an IOMMU.
    pub unsafe_noiommu: bool,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Which processors are for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CpuChoice {
    /// For the host's own work.
    pub reserved: CpuSet,
    /// Kept from the scheduler, for polling threads.
    pub isolated: CpuSet,
    /// What kubelet must not hand out: both of the above, for its static policy knows nothing of polling threads.
    pub kubelet_reserved: CpuSet,
    /// All that are online.
    pub online: CpuSet,
    /// Why each core was chosen.
    pub why: Vec<String>,
}

/// Hugepages of one size on one node, or on the whole host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Which pages.
    pub size: HugepageSize,
    /// Where.
    pub node: Option<NumaNode>,
    /// How many.
    pub count: u64,
    /// When they are taken.
    pub when: When,
}

/// A device and the driver it is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriverChoice {
    /// Where it is.
    pub device: PciAddr,
    /// What it is.
    pub id: PciId,
    /// The driver it is to have.
    pub driver: DriverName,
    /// Which selector chose it.
    pub why: String,
}

/// A file of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnFile {
    /// What it holds.
    pub content: String,
    /// Its permissions.
    pub mode: FileMode,
    /// Why it is there.
    pub why: String,
}

impl CpuChoice {
    /// Why each core was chosen, in one line.
    #[must_use]
    pub fn explain(&self) -> String {
        self.why.join("; ")
    }
}
