//! The custom resources' specs, as people write them, and the schema of each.
//!
//! Invariants: no client, no I/O. What is read here is well formed; whether it fits a host is decided in
//! flyover-plan. Unknown fields are refused.

mod explain;
mod near;
mod node_profile;
mod read;
pub mod resource;
mod switch;
mod tree;

pub use explain::{NoSuchField, explain, schema};
pub use node_profile::{
    Amount, CpuSpec, DeviceSelector, DriverSpec, FileSpec, HugepageMountSpec, HugepagePoolSpec,
    HugepagesSpec, Iommu, KernelArgsSpec, ModuleSpec, NodeProfileSpec, ServiceSpec, ServiceWish, When,
};
pub use read::{BadSpec, Kind, documents};
pub use switch::{
    BondMode, BondSpec, BridgeSpec, DpdkInit, DpdkSpec, ExpectedPorts, Lacp, PmdSpec, ProcessesSpec,
    RuntimeSpec, RxqAssign, SwitchSpec, UplinkSpec,
};
pub use tree::Tree;
