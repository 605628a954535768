//! The IOMMU in front of a device: without one, or with others behind the same part of it, nothing is given away.

use std::collections::BTreeSet;

use flyover_core::facts::PciDevice;
use flyover_core::{PciAddr, Refusal};

use super::super::iommu::is_coming;
use super::{Chosen, Draft, cannot, is_vfio};

/// Drivers that do not hinder a group from being given away.
const HARMLESS: [&str; 3] = ["vfio-pci", "pci-stub", "pcieport"];

/// Whether the IOMMU translates for the device, or will after the reboot.
pub(super) fn is_protected(device: &PciDevice, coming: bool) -> bool {
    device.group.is_some() || coming
}

pub(super) fn refusal(draft: &Draft<'_>, choice: &Chosen<'_>, given: &BTreeSet<PciAddr>) -> Option<Refusal> {
    if !is_vfio(choice.driver) {
        return None;
    }
    let coming = is_coming(&draft.settled, draft.facts);
    if is_protected(choice.device, coming) {
        return unviable(draft, choice, given);
    }
    if draft.spec.unsafe_noiommu {
        return None;
    }
    Some(if draft.facts.iommu_is_on() {
        cannot(choice, "it is not behind the IOMMU of this host").hint("choose another device")
    } else if draft.spec.iommu.is_some() {
        cannot(choice, "the IOMMU is off although its argument is in force, or has none")
            .hint("turn on VT-d, AMD-Vi or the SMMU in the firmware")
    } else {
        cannot(choice, "the IOMMU is off")
            .hint("say `iommu: passthrough`; where there is none, accept the risk with `unsafeNoiommu: true`")
    })
}

/// A group is given away whole: all its other devices must be given away too, or have no driver.
fn unviable(draft: &Draft<'_>, choice: &Chosen<'_>, given: &BTreeSet<PciAddr>) -> Option<Refusal> {
    let group = choice.device.group?;
    let others: Vec<String> = draft
        .facts
        .pci
        .iter()
        .filter(|d| d.group == Some(group) && d.address != choice.device.address)
        .filter(|d| !d.class.is_bridge() && !given.contains(&d.address))
        .filter_map(|d| Some((d, d.driver.as_ref().filter(|driver| !HARMLESS.contains(&driver.as_str()))?)))
        .map(|(d, driver)| format!("{} ({driver})", d.address))
        .collect();
    (!others.is_empty()).then(|| {
        let why = format!("its IOMMU group {group} holds {} too", others.join(", "));
        cannot(choice, &why).hint("choose those as well, or a device in a group of its own")
    })
}
