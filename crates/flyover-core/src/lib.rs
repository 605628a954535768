//! Nouns with a grammar: the words every other room speaks.
//!
//! Invariant: nothing here does I/O, reads the clock or the environment, or is async. A string with a
//! grammar becomes a type at the edge of the program, and nobody asks again whether it is well formed.

mod action;
mod args;
mod bytes;
mod cidr;
mod cpumask;
mod cpuset;
pub mod facts;
mod flow;
mod ifname;
mod mac;
mod names;
mod pci;
mod pciclass;
mod plan;
mod size;
mod switch;
mod switch_start;
mod word;

pub use action::{
    Action, BootArgs, BootState, DriverOf, FileAt, FileState, Hugepages, Link, Module, MountAt, Reboot,
    Subject, Sysctl, UnitLink, UnitState,
};
pub use args::{
    ArgEdit, ArgPattern, BadHugepageCount, BadKernelArg, HugepageArgs, HugepageCount, HugepagePool,
    KernelArg, KernelArgs,
};
pub use bytes::Bytes;
pub use cidr::{BadIpCidr, IpCidr};
pub use cpumask::{BadCpuMask, CpuMask};
pub use cpuset::{BadCpuSet, CpuSet};
pub use flow::{BadFlow, Flow, Proto};
pub use ifname::{BadIfName, BadIfPattern, IfName, IfPattern};
pub use mac::{BadMacAddr, MacAddr};
pub use names::{
    BadDriverName, BadFileMode, BadHostPath, BadModuleName, BadNumaNode, BadOvsName, BadSysctlKey,
    BadUnitName, DriverName, FileMode, HostPath, ModuleName, NumaNode, OvsName, SysctlKey, UnitName,
};
pub use pci::{BadIommuGroup, BadPciAddr, BadPciId, IommuGroup, PciAddr, PciId};
pub use pciclass::{BadPciClass, BadPciClassPrefix, PciClass, PciClassPrefix};
pub use plan::{Disturbance, Drift, Ledger, Owned, Plan, PlanHash, Refusal, RefusalKind, Step, Wish};
pub use size::{BadHugepageSize, HugepageSize, Kib};
pub use switch::{
    BridgeFacts, BridgeState, InterfaceState, Keeper, OvsBridge, OvsDaemons, OvsOption, OvsPort, OvsRestart,
    PortState, Processes, Strings, SwitchAt, SwitchFacts, VswitchdFacts, is_read_at_start,
};
pub use switch_start::SwitchDaemon;

/// What networks call our CNI plugin: its own name, and that of the plugin whose networks it takes as they are.
pub const CNI_PLUGINS: [&str; 2] = ["flyover", "userspace"];
