//! Devices that must keep the driver they have.

use flyover_core::Refusal;
use flyover_core::facts::{HostFacts, PciDevice};

use super::{Chosen, cannot, is_passed_on};

/// Mellanox, now NVIDIA.
const MELLANOX: u16 = 0x15b3;

/// Drivers beside which DPDK works: it shares the device with the kernel.
const BIFURCATED: [&str; 3] = ["mana", "mlx4_core", "mlx5_core"];

const MASS_STORAGE: u8 = 0x01;

/// Class and subclass of host adapters of Fibre Channel, behind which are disks.
const FIBRE_CHANNEL: u32 = 0x0c04;

pub(super) fn refusal(facts: &HostFacts, choice: &Chosen<'_>) -> Option<Refusal> {
    let device = choice.device;
    // What carries a route may be a virtual function of the chosen one.
    let carries = facts.guarded.iter().find(|guarded| {
        guarded.device == device.address || physical_of(facts, guarded.device) == Some(device.address)
    });
    if let Some(guarded) = carries {
        let why = format!("it carries {} ({})", guarded.carries, guarded.path);
        return Some(cannot(choice, &why).hint("choose another port, or move what it carries first"));
    }
    if device.class.is_bridge() {
        let refusal = cannot(choice, "it is a bridge, behind which are other devices");
        return Some(refusal.hint("narrow the selector to the device itself: `class: \"02\"`"));
    }
    if leads_to_disks(device) && device.driver.is_some() {
        let refusal = cannot(choice, "it is a disk controller, and file systems of the host may be on it");
        return Some(refusal.hint("unbind it from its driver first, if nothing of it is used"));
    }
    if is_passed_on(choice.driver) && is_bifurcated(device) {
        let driver = device.driver.as_ref().map_or("its driver".to_owned(), ToString::to_string);
        let why = format!("DPDK drives it beside the kernel's driver, and cannot without {driver}");
        return Some(
            cannot(choice, &why).hint("leave it with its driver; give DPDK its address all the same"),
        );
    }
    if let Some(refusal) = has_functions(facts, choice) {
        return Some(refusal);
    }
    if device.elsewhere {
        let refusal =
            cannot(choice, "its network device is in another network namespace, a pod's most likely");
        return Some(refusal.hint("delete the pod that uses it first"));
    }
    (!device.held_by.is_empty()).then(|| {
        cannot(choice, &format!("{} holds it open", device.held_by.join(", ")))
            .hint("stop that process first")
    })
}

fn leads_to_disks(device: &PciDevice) -> bool {
    device.class.base() == MASS_STORAGE || device.class.number() >> 8 == FIBRE_CHANNEL
}

/// Virtual functions go with the driver that made them, and pods may have them.
fn has_functions(facts: &HostFacts, choice: &Chosen<'_>) -> Option<Refusal> {
    let address = choice.device.address;
    let functions = facts.pci.iter().filter(|device| device.physical == Some(address)).count();
    (functions > 0).then(|| {
        cannot(choice, &format!("it has {functions} virtual functions"))
            .hint(format!("take them away first: echo 0 > /sys/bus/pci/devices/{address}/sriov_numvfs"))
    })
}

fn physical_of(facts: &HostFacts, address: flyover_core::PciAddr) -> Option<flyover_core::PciAddr> {
    facts.pci.iter().find(|device| device.address == address)?.physical
}

fn is_bifurcated(device: &PciDevice) -> bool {
    match &device.driver {
        Some(driver) => BIFURCATED.contains(&driver.as_str()),
        None => device.id.vendor == MELLANOX && device.class.is_network(),
    }
}
