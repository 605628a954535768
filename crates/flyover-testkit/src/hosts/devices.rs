//! PCI functions as sysfs shows them.

use flyover_core::PciAddr;
use flyover_host::tree::HostTree;

use super::builder::{link, put};

/// A PCI function.
#[derive(Clone, Debug)]
pub struct Function {
    address: PciAddr,
    id: (&'static str, &'static str),
    class: &'static str,
    driver: Option<&'static str>,
    group: Option<u32>,
    node: i32,
    physical: Option<PciAddr>,
    /// Its network device in this network namespace.
    pub(super) netdev: Option<String>,
}

fn address(text: &str) -> PciAddr {
    text.parse().expect("the address of a fixture is one")
}

impl Function {
    /// An Ethernet controller, one of Intel's, without a driver, on no node and in no group.
    #[must_use]
    pub fn nic(at: &str) -> Self {
        Self {
            address: address(at),
            id: ("0x8086", "0x10fb"),
            class: "0x020000",
            driver: None,
            group: None,
            node: -1,
            physical: None,
            netdev: None,
        }
    }

    /// A bridge between buses.
    #[must_use]
    pub fn bridge(at: &str) -> Self {
        Self { id: ("0x8086", "0x2030"), class: "0x060400", ..Self::nic(at) }.driver("pcieport")
    }

    /// Vendor and device as sysfs writes them.
    #[must_use]
    pub fn id(mut self, vendor: &'static str, device: &'static str) -> Self {
        self.id = (vendor, device);
        self
    }

    /// The class as sysfs writes it.
    #[must_use]
    pub fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// The driver that has it.
    #[must_use]
    pub fn driver(mut self, driver: &'static str) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Its IOMMU group.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// Its NUMA node.
    #[must_use]
    pub fn node(mut self, node: i32) -> Self {
        self.node = node;
        self
    }

    /// The physical function whose virtual one it is.
    #[must_use]
    pub fn virtual_of(mut self, physical: &str) -> Self {
        self.physical = Some(address(physical));
        self
    }

    /// Its network device in this network namespace.
    #[must_use]
    pub fn netdev(mut self, name: &str) -> Self {
        self.netdev = Some(name.to_owned());
        self
    }

    fn dir(&self) -> String {
        format!("/sys/devices/pci{:04x}:00/{}", self.address.domain(), self.address)
    }

    /// Where its network device hangs: behind virtio-pci is a bus of its own.
    pub(super) fn netdev_parent(&self) -> String {
        if self.driver == Some("virtio-pci") { format!("{}/virtio0", self.dir()) } else { self.dir() }
    }

    /// Writes it.
    pub(super) fn write(&self, tree: &mut HostTree) {
        let (dir, address) = (self.dir(), self.address);
        link(
            tree,
            &format!("/sys/bus/pci/devices/{address}"),
            &format!("../../../{}", &dir["/sys/".len()..]),
        );
        put(tree, &format!("{dir}/vendor"), self.id.0);
        put(tree, &format!("{dir}/device"), self.id.1);
        put(tree, &format!("{dir}/class"), self.class);
        put(tree, &format!("{dir}/numa_node"), self.node);
        put(tree, &format!("{dir}/driver_override"), "(null)");
        if let Some(driver) = self.driver {
            link(tree, &format!("{dir}/driver"), &format!("../../../bus/pci/drivers/{driver}"));
        }
        if self.driver == Some("virtio-pci") {
            link(tree, &format!("{dir}/virtio0/driver"), "../../../../bus/virtio/drivers/virtio_net");
        }
        if let Some(group) = self.group {
            link(tree, &format!("{dir}/iommu_group"), &format!("../../../kernel/iommu_groups/{group}"));
            let member = format!("/sys/kernel/iommu_groups/{group}/devices/{address}");
            link(tree, &member, &format!("../../../../{}", &dir["/sys/".len()..]));
        }
        if let Some(physical) = self.physical {
            link(tree, &format!("{dir}/physfn"), &format!("../{physical}"));
        }
    }
}
