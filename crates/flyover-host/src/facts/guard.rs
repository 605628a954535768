//! Devices that must stay: those through which the host is reached.
//!
//! From each route that matters down through bonds, bridges, VLANs and Open vSwitch to PCI functions, and from a
//! virtual function to its physical one. Invariant: who is in doubt is guarded.

use flyover_core::facts::{Guarded, NetDevice, PciDevice};
use flyover_core::{IfName, PciAddr};

use super::reach::Reach;

/// The device of the kernel's Open vSwitch that all ports of it stand below. Its internal ports (`br-ex`) name
/// nothing they stand upon, so all ports count as such.
const OPENVSWITCH: &str = "ovs-system";

/// Finds what must stay, in the order of devices.
pub(super) fn read(reach: &Reach, net: &[NetDevice], pci: &[PciDevice]) -> Vec<Guarded> {
    let ground = Ground { net, pci };
    let mut found = Vec::new();
    for (carries, device) in reach.carried() {
        ground.descend(&device, &mut vec![], &mut |device, path| {
            found.push(Guarded { device, carries: carries.clone(), path });
        });
    }
    found.sort_by(|a, b| (a.device, &a.carries, &a.path).cmp(&(b.device, &b.carries, &b.path)));
    found.dedup();
    found
}

/// What routes stand upon.
struct Ground<'a> {
    net: &'a [NetDevice],
    pci: &'a [PciDevice],
}

impl Ground<'_> {
    /// Tells each function below a network device, with the way down to it. `above` is that way; a device that
    /// stands upon itself, as two ends of a cable may, is not entered twice.
    fn descend(&self, device: &str, above: &mut Vec<String>, tell: &mut dyn FnMut(PciAddr, String)) {
        if above.iter().any(|name| name == device) {
            return;
        }
        let Some(found) = self.net.iter().find(|d| d.name.as_str() == device) else { return };
        above.push(device.to_owned());
        if let Some(function) = found.pci {
            self.functions(function, above, tell);
        }
        for lower in self.lowers(found) {
            self.descend(lower.as_str(), above, tell);
        }
        above.pop();
    }

    fn lowers<'n>(&'n self, device: &'n NetDevice) -> Vec<&'n IfName> {
        let hangs = device.pci.is_none() && device.lowers.is_empty() && device.name.as_str() != "lo";
        let switch = self.net.iter().find(|d| hangs && d.name.as_str() == OPENVSWITCH);
        switch.map_or_else(|| device.lowers.iter().collect(), |switch| vec![&switch.name])
    }

    fn functions(&self, function: PciAddr, above: &[String], tell: &mut dyn FnMut(PciAddr, String)) {
        let path = format!("{} <- {function}", above.join(" <- "));
        let physical = self.pci.iter().find(|d| d.address == function).and_then(|d| d.physical);
        if let Some(physical) = physical {
            tell(physical, format!("{path} <- {physical}"));
        }
        tell(function, path);
    }
}
