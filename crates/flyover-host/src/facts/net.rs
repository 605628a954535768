//! Network devices of the network namespace that sysfs shows, and what they stand upon.

use std::collections::BTreeSet;
use std::path::Path;

use flyover_core::facts::NetDevice;
use flyover_core::{IfName, PciAddr};

use super::dir::Dir;
use crate::root::HostRoot;

/// `IFF_UP` of `flags`.
const UP: u32 = 1;

/// Reads all network devices.
pub(super) fn read(host: &HostRoot) -> Vec<NetDevice> {
    let class = Dir::at(host, "/sys/class/net");
    class.names().iter().filter_map(|name| device(&class, name)).collect()
}

/// A name in the directory may also be that of a file, as `bonding_masters` is.
fn device(class: &Dir<'_>, name: &str) -> Option<NetDevice> {
    let dir = class.below(name);
    let mtu = dir.parsed("mtu")?;
    let flags = dir.text("flags").unwrap_or_default();
    Some(NetDevice {
        name: name.parse().ok()?,
        mac: dir.parsed("address"),
        up: u32::from_str_radix(flags.trim_start_matches("0x"), 16).is_ok_and(|flags| flags & UP != 0),
        carrier: dir.text("carrier").map(|carrier| carrier == "1"),
        // -1 where the driver does not know.
        speed: dir.parsed("speed"),
        mtu,
        pci: class.link(name).and_then(|target| pci_of(&target)),
        driver: dir.link_word("device/driver"),
        lowers: lowers(&dir),
    })
}

/// The PCI function nearest above a device, however many buses (virtio, USB) are between.
pub(super) fn pci_of(target: &Path) -> Option<PciAddr> {
    target.iter().rev().find_map(|part| part.to_str()?.parse().ok())
}

/// The kernel links what stands upon another device by `lower_NAME`; bridges and bonds tell it in lists of their
/// own too.
fn lowers(dir: &Dir<'_>) -> Vec<IfName> {
    let links = dir.names_like(&|name| name.starts_with("lower_"));
    let linked = links.iter().filter_map(|name| name.strip_prefix("lower_"));
    let ports = dir.below("brif").names();
    let members = dir.text("bonding/slaves").unwrap_or_default();
    let names = linked.chain(ports.iter().map(String::as_str)).chain(members.split_whitespace());
    let lowers: BTreeSet<IfName> = names.filter_map(|name| name.parse().ok()).collect();
    lowers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_behind_a_device_is_the_nearest_one_above_it() {
        let pci = |target: &str| pci_of(Path::new(target)).map(|address| address.to_string());
        let base = "../../devices/pci0000:00/0000:00:1c.0/0000:06:00.1";
        assert_eq!(pci(&format!("{base}/net/ens1f1")).as_deref(), Some("0000:06:00.1"));
        assert_eq!(pci(&format!("{base}/virtio2/net/eth0")).as_deref(), Some("0000:06:00.1"));
        assert_eq!(pci(&format!("{base}/usb1/1-4/1-4:1.0/net/usb0")).as_deref(), Some("0000:06:00.1"));
        assert_eq!(pci("../../devices/virtual/net/bond0"), None);
    }
}
