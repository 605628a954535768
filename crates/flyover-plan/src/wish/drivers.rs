//! Drivers, and what gives them again after a boot: driverctl's files where it is installed, else a unit of ours.

use flyover_core::facts::{HostFacts, PciDevice};
use flyover_core::{Action, Disturbance, DriverOf, HostPath, Wish};

use super::{HEAD, file_wish, own_file, own_path, unit_wish};
use crate::settle::{is_coming, is_vfio};
use crate::{DriverChoice, OwnFile, Settled};

const UNIT: &str = "flyover-drivers.service";
const PATH: &str = "/etc/systemd/system/flyover-drivers.service";

pub(super) fn wishes(settled: &Settled, facts: &HostFacts) -> Vec<Wish> {
    let coming = is_coming(settled, facts);
    let waits = |choice: &DriverChoice| coming && is_vfio(&choice.driver) && needs_iommu(choice, facts);
    let drivers = settled.drivers.iter().map(|choice| {
        let action = Action::Driver(DriverOf {
            device: choice.device,
            driver: Some(choice.driver.clone()),
            forced: Some(choice.driver.clone()),
            links: Vec::new(),
        });
        let why = format!("drivers: {}", choice.why);
        Wish { action, why, disturbs: Disturbance::Link, after_reboot: waits(choice) }
    });
    let mut wishes: Vec<Wish> = drivers.collect();
    // What persists must not bind a device before the step that remembers its driver.
    let late = settled.drivers.iter().any(waits);
    wishes.extend(files(settled, facts).iter().map(|(path, file)| file_wish(path, file, late)));
    if unit(settled, facts).is_some() {
        wishes.push(unit_wish(UNIT, "drivers come back after each boot", late));
    }
    wishes
}

fn needs_iommu(choice: &DriverChoice, facts: &HostFacts) -> bool {
    device(choice, facts).is_none_or(|device| device.group.is_none())
}

fn device<'a>(choice: &DriverChoice, facts: &'a HostFacts) -> Option<&'a PciDevice> {
    facts.pci.iter().find(|device| device.address == choice.device)
}

pub(super) fn files(settled: &Settled, facts: &HostFacts) -> Vec<(HostPath, OwnFile)> {
    if !facts.os.driverctl {
        return unit(settled, facts).into_iter().collect();
    }
    let file = |choice: &DriverChoice| {
        let path = own_path(&format!("/etc/driverctl.d/pci-{}", choice.device));
        // driverctl takes the whole file for the name, so it has no head.
        (path, own_file(format!("{}\n", choice.driver), "driverctl gives the driver after each boot"))
    };
    settled.drivers.iter().map(file).collect()
}

fn unit(settled: &Settled, facts: &HostFacts) -> Option<(HostPath, OwnFile)> {
    if settled.drivers.is_empty() || facts.os.driverctl || !facts.os.systemd {
        return None;
    }
    let lines: String = settled.drivers.iter().map(lines).collect();
    // It must come before the network, so it cannot wait for what units wait for unless they say otherwise.
    let content = format!(
        "{HEAD}[Unit]\n\
         Description=Drivers of the node profile\n\
         DefaultDependencies=no\n\
         After=systemd-modules-load.service\n\
         Before=network-pre.target kubelet.service shutdown.target\n\
         Wants=network-pre.target\n\
         Conflicts=shutdown.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {lines}\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    Some((own_path(PATH), own_file(content, "drivers come back after each boot")))
}

/// Commands that may be repeated: nothing is unbound that has the driver already.
fn lines(choice: &DriverChoice) -> String {
    let DriverChoice { device, driver, .. } = choice;
    let dir = format!("/sys/bus/pci/devices/{device}");
    format!(
        "ExecStart=-/bin/sh -c 'modprobe {driver}'\n\
         ExecStart=/bin/sh -c 'echo {driver} > {dir}/driver_override; \
         test -e /sys/bus/pci/drivers/{driver}/{device} || \
         {{ if test -e {dir}/driver; then echo {device} > {dir}/driver/unbind; fi; \
         echo {device} > /sys/bus/pci/drivers_probe; }}'\n"
    )
}
