//! Completes the facts with what earlier plans changed: a device that was given away has lost the name it is selected
//! by, and a mount of ours would else look like somebody's.

use flyover_core::facts::HostFacts;
use flyover_core::{Action, Ledger, Owned, PciAddr};

use crate::mount_unit_name;

/// The facts as they would be read had nothing been taken from them by what `ledger` lists.
#[must_use]
pub fn recall(mut facts: HostFacts, ledger: &Ledger) -> HostFacts {
    for owned in ledger.values() {
        if let Action::Driver(found) = &owned.found {
            for link in &found.links {
                name_again(&mut facts, found.device, link.name.clone());
            }
        }
    }
    facts.memory.mounts.retain(|mount| !ledger.values().any(|owned| mounted(owned, &mount.path)));
    facts
}

fn name_again(facts: &mut HostFacts, device: PciAddr, name: flyover_core::IfName) {
    let Some(device) = facts.pci.iter_mut().find(|d| d.address == device) else { return };
    if !device.netdevs.contains(&name) {
        device.netdevs.push(name);
        device.netdevs.sort();
    }
}

fn mounted(owned: &Owned, path: &flyover_core::HostPath) -> bool {
    match &owned.wished {
        Action::Mount(mount) => mount.path == *path,
        Action::Unit(unit) => unit.unit.as_str() == mount_unit_name(path),
        _ => false,
    }
}
