//! Names of things on a node: drivers and modules, units, sysctl keys, files, NUMA nodes, and parts of a switch.

mod driver;
mod file;
mod numa;
mod ovs;
mod sysctl;
mod unit;

pub use driver::{BadDriverName, BadModuleName, DriverName, ModuleName};
pub use file::{BadFileMode, BadHostPath, FileMode, HostPath};
pub use numa::{BadNumaNode, NumaNode};
pub use ovs::{BadOvsName, OvsName};
pub use sysctl::{BadSysctlKey, SysctlKey};
pub use unit::{BadUnitName, UnitName};
