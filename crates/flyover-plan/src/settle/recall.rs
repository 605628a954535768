//! Completes the facts with what earlier plans changed: a device that was given away has lost the name it is selected
//! by, a service the alias it was asked for by, and a mask or a mount of ours would else look like somebody's.

use flyover_core::facts::{Enablement, HostFacts, ServiceFacts};
use flyover_core::{Action, Ledger, Owned, PciAddr, UnitLink, UnitName, UnitState};

/// The facts as they would be read had nothing been taken from them by what `ledger` lists.
#[must_use]
pub fn recall(mut facts: HostFacts, ledger: &Ledger) -> HostFacts {
    for owned in ledger.values() {
        if let Action::Driver(found) = &owned.found {
            for link in &found.links {
                name_again(&mut facts, found.device, link.name.clone());
            }
        }
        if let (Action::Unit(found), Action::Unit(left)) = (&owned.found, &owned.left) {
            unmask(&mut facts, found, left);
            alias_again(&mut facts, found, left);
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

/// Nobody else's mask: a profile that no longer asks for it shall have it taken away.
fn unmask(facts: &mut HostFacts, found: &UnitState, left: &UnitState) {
    if left.enablement != Enablement::Masked {
        return;
    }
    let masked =
        |service: &&mut ServiceFacts| service.unit == found.unit && service.enablement == Enablement::Masked;
    for service in facts.services.values_mut().filter(masked) {
        // What systemd names as the file of a masked unit is the mask.
        (service.enablement, service.fragment) = (found.enablement.clone(), None);
    }
}

/// systemd takes the links of the aliases away when it disables a unit.
fn alias_again(facts: &mut HostFacts, found: &UnitState, left: &UnitState) {
    let known = facts.services.values().find(|service| service.unit == found.unit);
    let service = known.cloned().unwrap_or_else(|| ServiceFacts {
        unit: found.unit.clone(),
        enablement: found.enablement.clone(),
        active: left.active,
        fragment: None,
    });
    for alias in found.links.iter().flatten().filter_map(|link| alias_of(link, &found.unit)) {
        let there = facts.services.get(&alias);
        if there.is_none_or(|there| there.enablement == Enablement::NotFound) {
            facts.services.insert(alias, service.clone());
        }
    }
}

/// The other name that a link gives a unit, if it is not one of those that start it.
fn alias_of(link: &UnitLink, unit: &UnitName) -> Option<UnitName> {
    let (directory, name) = link.path.as_str().rsplit_once('/')?;
    let starts = [".wants", ".requires", ".upholds"].iter().any(|ending| directory.ends_with(ending));
    name.parse().ok().filter(|alias| !starts && alias != unit)
}

fn mounted(owned: &Owned, path: &flyover_core::HostPath) -> bool {
    match &owned.wished {
        Action::Mount(mount) => mount.path == *path,
        Action::Unit(unit) => unit.unit == UnitName::of_mount(path),
        _ => false,
    }
}
