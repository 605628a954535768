//! Which driver each chosen device is to have, and which devices must stay as they are.
//!
//! Invariant: a device through which the host is reached, or that others use, is never chosen.
//! Sources: Documentation/driver-api/vfio.rst; DPDK "Linux drivers"; driverctl(8).

mod group;
mod guard;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::{DriverSpec, Iommu};
use flyover_core::facts::PciDevice;
use flyover_core::{DriverName, PciAddr, Refusal};

use super::Draft;
use super::iommu::keep_on;
use crate::DriverChoice;

/// What a chosen device is to have, and who said so.
struct Chosen<'a> {
    device: &'a PciDevice,
    driver: &'a DriverName,
    field: String,
    why: String,
}

pub(super) fn settle(draft: &mut Draft<'_>) {
    let chosen = choose(draft);
    let given: BTreeSet<PciAddr> =
        chosen.values().filter(|c| is_passed_on(c.driver)).map(|c| c.device.address).collect();
    let refusals = draft.refusals.len();
    for choice in chosen.values() {
        check(draft, choice, &given);
    }
    note_functions(draft, &chosen);
    if draft.refusals.len() == refusals {
        need_modules(draft, &chosen);
    }
    if !chosen.is_empty() && !draft.facts.os.systemd && !draft.facts.os.driverctl {
        draft.note("neither systemd nor driverctl is here, so drivers do not come back after a boot");
    }
    draft.settled.drivers = chosen
        .into_values()
        .map(|Chosen { device, driver, why, .. }| DriverChoice {
            device: device.address,
            id: device.id,
            driver: driver.clone(),
            why,
        })
        .collect();
}

/// Drivers that hand a device to a process with the IOMMU's protection.
pub(crate) fn is_vfio(driver: &DriverName) -> bool {
    driver.as_str() == "vfio-pci"
}

/// Drivers that hand a device to a process without any.
fn is_uio(driver: &DriverName) -> bool {
    matches!(driver.as_str(), "uio_pci_generic" | "igb_uio")
}

fn is_passed_on(driver: &DriverName) -> bool {
    is_vfio(driver) || is_uio(driver)
}

fn choose<'a>(draft: &mut Draft<'a>) -> BTreeMap<PciAddr, Chosen<'a>> {
    let mut chosen: BTreeMap<PciAddr, Chosen<'a>> = BTreeMap::new();
    for (i, DriverSpec { select, driver }) in draft.spec.drivers.iter().enumerate() {
        let field = format!("drivers[{i}]");
        let devices = match select::devices(draft.facts, select, &field) {
            Ok(devices) => devices,
            Err(refusals) => {
                draft.refusals.extend(refusals);
                continue;
            }
        };
        for device in devices {
            match chosen.get(&device.address) {
                Some(other) if other.driver != driver => {
                    let address = device.address;
                    let what =
                        format!("{address} is to have {driver} here and {} by {}", other.driver, other.field);
                    draft.refuse(Refusal::invalid(&field, what).hint("make the selectors narrower"));
                }
                Some(_) => {}
                None => {
                    let why = select::name(select);
                    chosen.insert(device.address, Chosen { device, driver, field: field.clone(), why });
                }
            }
        }
    }
    chosen
}

fn check(draft: &mut Draft<'_>, choice: &Chosen<'_>, given: &BTreeSet<PciAddr>) {
    if is_uio(choice.driver) && !draft.spec.unsafe_noiommu {
        let what = format!("{} lets a process write all of the host's memory", choice.driver);
        draft.refuse(
            Refusal::invalid(format!("{}.driver", choice.field), what)
                .hint("say `driver: vfio-pci`, or accept it with `unsafeNoiommu: true`"),
        );
    }
    if is_vfio(choice.driver) && draft.spec.iommu == Some(Iommu::Off) && !draft.spec.unsafe_noiommu {
        let what = "vfio-pci needs the IOMMU, and the profile turns it off";
        draft.refuse(
            Refusal::invalid(format!("{}.driver", choice.field), what).hint("say `iommu: passthrough`"),
        );
        return;
    }
    if choice.device.driver.as_ref() == Some(choice.driver) {
        return;
    }
    if let Some(refusal) = guard::refusal(draft.facts, choice) {
        draft.refuse(refusal);
    } else if let Some(refusal) = group::refusal(draft, choice, given) {
        draft.refuse(refusal);
    }
    if is_passed_on(choice.driver) && choice.device.driver.as_ref().is_some_and(|d| d.as_str() == "bnxt_en") {
        draft.note(format!(
            "{}: bnxt_en is bifurcated in part; RDMA over it goes with the driver",
            choice.device.address
        ));
    }
}

fn cannot(choice: &Chosen<'_>, why: &str) -> Refusal {
    let what = format!("cannot bind {} to {}: {why}", choice.device.address, choice.driver);
    Refusal::impossible(format!("{}.select", choice.field), what)
}

fn note_functions(draft: &mut Draft<'_>, chosen: &BTreeMap<PciAddr, Chosen<'_>>) {
    for choice in chosen.values().filter(|c| is_passed_on(c.driver)) {
        let address = choice.device.address;
        if let Some(physical) = choice.device.physical {
            draft.note(match chosen.get(&physical) {
                Some(_) => format!(
                    "{address} is a virtual function of {physical}, which is chosen too: it goes with it"
                ),
                None => format!("{address} is a virtual function of {physical}, which keeps its driver"),
            });
        }
    }
}

/// The modules that bring the drivers, and the option that lets vfio-pci do without an IOMMU.
fn need_modules(draft: &mut Draft<'_>, chosen: &BTreeMap<PciAddr, Chosen<'_>>) {
    for choice in chosen.values().filter(|c| is_passed_on(c.driver)) {
        let module = choice.driver.as_str().parse().expect("names of drivers are names of modules");
        draft.settled.modules.entry(module).or_default();
        if !is_vfio(choice.driver) {
            draft.note(format!(
                "taint: {} gives {} to processes without any protection",
                choice.driver, choice.device.address
            ));
        } else if group::is_protected(draft, choice.device) {
            let module = "vfio_iommu_type1".parse().expect("a name of a module");
            draft.settled.modules.entry(module).or_default();
            keep_on(draft);
        } else {
            let module = "vfio".parse().expect("a name of a module");
            let options = draft.settled.modules.entry(module).or_default();
            options.insert("enable_unsafe_noiommu_mode".into(), "1".into());
            draft.note(format!("taint: vfio-pci has {} without an IOMMU", choice.device.address));
        }
    }
}
