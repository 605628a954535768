//! PCI functions, network devices, and those that must not be touched.

use serde::{Deserialize, Serialize};

use crate::{DriverName, IfName, IommuGroup, MacAddr, NumaNode, PciAddr, PciClass, PciId};

/// One PCI function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciDevice {
    /// Where it is.
    pub address: PciAddr,
    /// What it is.
    pub id: PciId,
    /// What kind of thing it is.
    pub class: PciClass,
    /// The driver that has it.
    pub driver: Option<DriverName>,
    /// The only driver that may have it (`driver_override`).
    pub forced: Option<DriverName>,
    /// The NUMA node it is near; the firmware does not always say.
    pub node: Option<NumaNode>,
    /// What the IOMMU cannot tell it apart from.
    pub group: Option<IommuGroup>,
    /// The physical function, where this is a virtual one.
    pub physical: Option<PciAddr>,
    /// Its network devices in the host's own network namespace.
    pub netdevs: Vec<IfName>,
    /// A network driver has it, yet no network device of it is seen here: it was given to another network
    /// namespace, a pod's most likely.
    pub elsewhere: bool,
    /// Processes that have its `/dev/vfio` group open. The kernel makes an unbind wait for them.
    pub held_by: Vec<String>,
}

/// One network device of the host's own network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice {
    /// Its name.
    pub name: IfName,
    /// Its link-layer address, where it has one of Ethernet's length.
    pub mac: Option<MacAddr>,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether it has a carrier; unknown while it is down.
    pub carrier: Option<bool>,
    /// Mbit/s, where the driver knows.
    pub speed: Option<u32>,
    /// Largest payload.
    pub mtu: u32,
    /// The PCI function behind it.
    pub pci: Option<PciAddr>,
    /// The driver of the device behind it.
    pub driver: Option<DriverName>,
    /// Network devices it stands upon: members of a bond, ports of a bridge, the parent of a VLAN.
    pub lowers: Vec<IfName>,
}

/// A device through which the host is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    /// The function that must keep its driver.
    pub device: PciAddr,
    /// What it carries: `the default route`, `the route to the API server 10.0.0.1`, `the SSH session from 10.0.0.9`.
    pub carries: String,
    /// From the network device of the route down to the function: `bond0 <- ens1f1 <- 0000:06:00.1`.
    pub path: String,
}
