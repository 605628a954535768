//! PCI functions, their drivers, and who holds them.

use flyover_core::facts::{NetDevice, PciDevice};
use flyover_core::{DriverName, IommuGroup, NumaNode, PciAddr, PciId};

use super::dir::Dir;
use super::vfio::Holders;
use crate::root::HostRoot;

/// Drivers that hold a function for somebody else, so that it has no network device.
const PASSIVE: [&str; 4] = ["vfio-pci", "uio_pci_generic", "igb_uio", "pci-stub"];

/// Reads all functions, by address.
pub(super) fn read(host: &HostRoot, net: &[NetDevice]) -> Vec<PciDevice> {
    let bus = Dir::at(host, "/sys/bus/pci/devices");
    let names = bus.names();
    let holders = Holders::read(host);
    let mut devices: Vec<PciDevice> =
        names.iter().filter_map(|name| device(&bus.below(name), name.parse().ok()?, net, &holders)).collect();
    devices.sort_by_key(|device| device.address);
    devices
}

fn device(dir: &Dir<'_>, address: PciAddr, net: &[NetDevice], holders: &Holders) -> Option<PciDevice> {
    let id: PciId = format!("{}:{}", dir.text("vendor")?, dir.text("device")?).parse().ok()?;
    let driver: Option<DriverName> = dir.link_word("driver");
    // vfio makes a group that protects nothing where it is told to do without an IOMMU.
    let protected = dir.text("iommu_group/name").is_none_or(|name| name != "vfio-noiommu");
    let group: Option<IommuGroup> = dir.link_word("iommu_group");
    let behind = net.iter().filter(|device| device.pci == Some(address));
    let mut found = PciDevice {
        address,
        id,
        class: dir.parsed("class")?,
        // `(null)` where nothing is forced, which is no name of a driver.
        forced: dir.parsed("driver_override"),
        // -1 where the firmware does not say.
        node: dir.parsed::<u32>("numa_node").map(NumaNode),
        physical: dir.link_word("physfn"),
        netdevs: behind.map(|device| device.name.clone()).collect(),
        elsewhere: false,
        held_by: group.map(|group| holders.of(group)).unwrap_or_default(),
        driver,
        group: group.filter(|_| protected),
    };
    found.elsewhere = is_elsewhere(dir, &found);
    Some(found)
}

/// Sysfs shows a network device only in its own network namespace, and its driver in all of them.
fn is_elsewhere(dir: &Dir<'_>, device: &PciDevice) -> bool {
    let Some(driver) = &device.driver else { return false };
    if !device.class.is_network() || !device.netdevs.is_empty() || PASSIVE.contains(&driver.as_str()) {
        return false;
    }
    // Behind virtio-pci is a bus of its own, and a driver on it makes the network device.
    driver.as_str() != "virtio-pci" || virtio_net_has_it(dir)
}

fn virtio_net_has_it(dir: &Dir<'_>) -> bool {
    let net = |(_, virtio): (u32, Dir<'_>)| {
        virtio.link_word::<DriverName>("driver").is_some_and(|d| d.as_str() == "virtio_net")
    };
    dir.numbered("virtio").into_iter().any(net)
}
