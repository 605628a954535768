//! The IOMMU in front of a device: without one, or with others behind the same part of it, nothing is given away.

use std::collections::BTreeSet;

use flyover_api::Iommu;
use flyover_core::facts::PciDevice;
use flyover_core::{PciAddr, Refusal};

use super::super::iommu::{is_asked, is_coming};
use super::{Chosen, Draft, cannot, is_vfio};

/// Drivers that do not hinder a group from being given away.
const HARMLESS: [&str; 3] = ["vfio-pci", "pci-stub", "pcieport"];

/// Whether the IOMMU will translate for the device once the profile holds: it does now and stays, or the reboot
/// turns it on.
pub(super) fn is_protected(draft: &Draft<'_>, device: &PciDevice) -> bool {
    draft.spec.iommu != Some(Iommu::Off) && (device.group.is_some() || is_coming(&draft.settled, draft.facts))
}

pub(super) fn refusal(draft: &Draft<'_>, choice: &Chosen<'_>, given: &BTreeSet<PciAddr>) -> Option<Refusal> {
    if !is_vfio(choice.driver) {
        return None;
    }
    if is_protected(draft, choice.device) {
        return unviable(draft, choice, given);
    }
    // Falling back would settle another thing after the reboot than before it.
    let asked = is_asked(&draft.settled, draft.facts) && !draft.facts.iommu_is_on();
    if draft.spec.unsafe_noiommu && !asked {
        return None;
    }
    Some(if draft.facts.iommu_is_on() {
        cannot(choice, "it is not behind the IOMMU of this host").hint("choose another device")
    } else if asked {
        cannot(choice, "the IOMMU is off although all arguments that turn it on are in force")
            .hint("turn on VT-d, AMD-Vi or the SMMU in the firmware; where there is none, leave `iommu` out")
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
