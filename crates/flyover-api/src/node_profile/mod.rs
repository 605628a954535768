//! `NodeProfile`: what a node is to be like before any lane works on it.
//!
//! Every doc comment of a field is also its text in the schema and in `flyover node explain`.

mod cpu;
mod device;
mod hugepages;
mod system;

use std::collections::BTreeMap;

use flyover_core::{ArgPattern, KernelArg, SysctlKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cpu::{Amount, CpuSpec};
pub use device::{DeviceSelector, DriverSpec};
pub use hugepages::{HugepageMountSpec, HugepagePoolSpec, HugepagesSpec, When};
pub use system::{FileSpec, ModuleSpec, ServiceSpec, ServiceWish};

/// What a node is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeProfileSpec {
    /// Hugepages and where they are mounted.
    pub hugepages: HugepagesSpec,
    /// Arguments of the kernel's command line, compared by meaning: `intel_iommu=on,sm_on` has `intel_iommu=on`.
    pub kernel_args: KernelArgsSpec,
    /// Whether the IOMMU translates the addresses of devices. Left out, it stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iommu: Option<Iommu>,
    /// Lets vfio-pci have devices without an IOMMU. Any process with such a device can then write all of the
    /// host's memory; the status shows it as a taint.
    #[serde(alias = "unsafe_noiommu")]
    pub unsafe_noiommu: bool,
    /// Which processors are for the host and which for polling threads. Left out, they stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuSpec>,
    /// Devices that another driver is to have.
    pub drivers: Vec<DriverSpec>,
    /// Kernel modules to load, now and at boot.
    pub modules: Vec<ModuleSpec>,
    /// Sysctls, now and at boot.
    #[schemars(with = "BTreeMap<String, String>")]
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// Services that must not run, such as those that set the clock where another does.
    pub services: Vec<ServiceSpec>,
    /// Files that are Flyover's own from now on.
    pub files: Vec<FileSpec>,
}

/// Arguments of the kernel's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KernelArgsSpec {
    /// Those that must be there: `nosmt`, `intel_idle.max_cstate=1`.
    #[schemars(with = "Vec<String>")]
    pub present: Vec<KernelArg>,
    /// Those that must not: `NAME` with any value, or `NAME=VALUE`.
    #[schemars(with = "Vec<String>")]
    pub absent: Vec<ArgPattern>,
}

/// What the IOMMU does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Iommu {
    /// Nothing.
    Off,
    /// It translates for all devices.
    On,
    /// It translates for devices that are given away, and passes the kernel's own through (`iommu=pt`).
    Passthrough,
}
