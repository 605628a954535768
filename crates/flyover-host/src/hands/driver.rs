//! Which driver has a PCI function.
//!
//! The override is written before the unbind, for udev may probe the orphan at once. A write to `drivers_probe`
//! succeeds or fails for reasons of its own; only the `driver` link tells who has the device.

use std::thread::sleep;
use std::time::{Duration, Instant};

use flyover_core::{Action, DriverName, DriverOf, HostPath, IfName, Link};

use super::{Hand, QUICK, refused};
use crate::facts::{holders_of, is_unsafe};
use crate::root::{HostError, HostRoot};

/// How long a driver has to make its network device.
const APPEARS: Duration = Duration::from_secs(10);
/// How long udev has to give a network device that has appeared its name.
const RENAMED: Duration = Duration::from_secs(3);

fn attribute(of: &DriverOf, name: &str) -> HostPath {
    HostPath::fixed(&format!("/sys/bus/pci/devices/{}/{name}", of.device))
}

fn driver_of(of: &DriverOf, host: &HostRoot) -> Option<DriverName> {
    host.link_name(&attribute(of, "driver"))?.parse().ok()
}

fn forced_on(of: &DriverOf, host: &HostRoot) -> Option<DriverName> {
    // `(null)` is what kernels print for none; it is no name of a driver.
    host.text(&attribute(of, "driver_override"))?.parse().ok()
}

/// Network devices of the function: its own, and those of its virtio devices.
fn links_of(of: &DriverOf, host: &HostRoot) -> Vec<Link> {
    let below = host.names(&HostPath::fixed(&format!("/sys/bus/pci/devices/{}", of.device)));
    let parents = below.iter().filter(|name| name.starts_with("virtio")).map(|name| format!("{name}/net"));
    let mut links = Vec::new();
    for parent in parents.chain(["net".to_owned()]) {
        for name in host.names(&attribute(of, &parent)) {
            let flags = host.text(&attribute(of, &format!("{parent}/{name}/flags"))).unwrap_or_default();
            let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
            // IFF_UP.
            links.extend(name.parse().ok().map(|name: IfName| Link { name, up: flags & 1 != 0 }));
        }
    }
    links
}

fn has_group(of: &DriverOf, host: &HostRoot) -> bool {
    host.exists(&attribute(of, "iommu_group")) || is_unsafe(host)
}

/// The kernel lets an unbind wait for who has the function open through vfio, for ever if need be.
fn not_held(of: &DriverOf, host: &HostRoot) -> Result<(), HostError> {
    let holders = holders_of(host, of.device);
    if holders.is_empty() {
        return Ok(());
    }
    Err(refused(format!("{} is in use by {}", of.device, holders.join(", ")), "end what uses it first"))
}

/// Has the device probed by the driver it is to have, and says what the kernel did.
fn bind(of: &DriverOf, host: &HostRoot, wanted: &DriverName) -> Result<(), HostError> {
    let address = of.device.to_string();
    let mut said = host.write_attribute(&HostPath::fixed("/sys/bus/pci/drivers_probe"), &address).err();
    if driver_of(of, host).as_ref() != Some(wanted) {
        // Without an override another driver may have been quicker.
        if driver_of(of, host).is_some() {
            host.write_attribute(&attribute(of, "driver/unbind"), &address)?;
        }
        let by_name = HostPath::fixed(&format!("/sys/bus/pci/drivers/{wanted}/bind"));
        said = host.write_attribute(&by_name, &address).err().or(said);
    }
    match driver_of(of, host) {
        Some(now) if now == *wanted => Ok(()),
        Some(now) => {
            Err(refused(format!("{address} was to get {wanted} and has {now}"), "see dmesg for the reason"))
        }
        None => {
            let said = said.map(|e| format!(" ({e})")).unwrap_or_default();
            let what = format!("{wanted} did not take {address}: the kernel left it without a driver{said}");
            Err(refused(
                what,
                "is the IOMMU on? /sys/kernel/iommu_groups is empty where it is not; see dmesg",
            ))
        }
    }
}

/// Waits for a network device that is to be there again, under its name or, in the end, any other.
fn await_link(of: &DriverOf, host: &HostRoot, wanted: &Link) -> Result<IfName, HostError> {
    let started = Instant::now();
    loop {
        let links = links_of(of, host);
        if links.iter().any(|link| link.name == wanted.name) {
            return Ok(wanted.name.clone());
        }
        let known = |name: &IfName| of.links.iter().any(|link| link.name == *name);
        match links.into_iter().find(|link| !known(&link.name)) {
            Some(other) if started.elapsed() > RENAMED => {
                tracing::warn!(device = %of.device, was = %wanted.name, now = %other.name, "network device came back under another name");
                return Ok(other.name);
            }
            None if started.elapsed() > APPEARS => {
                let what = format!("network device {} of {} did not come back", wanted.name, of.device);
                return Err(refused(what, "see dmesg; a rescan may help: echo 1 > /sys/bus/pci/rescan"));
            }
            _ => sleep(Duration::from_millis(50)),
        }
    }
}

impl Hand for DriverOf {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        if !host.exists(&attribute(self, "driver_override")) {
            let what = format!("there is no PCI function {} with a driver_override", self.device);
            return Err(refused(what, "lspci -D lists the functions of this host"));
        }
        let Some(driver) = &self.driver else { return Ok(()) };
        if !host.exists(&HostPath::fixed(&format!("/sys/bus/pci/drivers/{driver}"))) {
            return Err(refused(format!("the kernel has no PCI driver {driver}"), "load its module first"));
        }
        if driver.as_str() == "vfio-pci" && !has_group(self, host) {
            return Err(refused(
                format!("cannot bind {} to vfio-pci: it has no IOMMU group", self.device),
                "turn the IOMMU on (`iommu: on`), in the firmware too; or say `unsafe_noiommu: true`",
            ));
        }
        Ok(())
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::Driver(Self {
            device: self.device,
            driver: driver_of(self, host),
            forced: forced_on(self, host),
            links: links_of(self, host),
        }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(driver_of(self, host) == self.driver && forced_on(self, host) == self.forced)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        if forced_on(self, host) != self.forced {
            // A line without a name takes the override away.
            let name = self.forced.as_ref().map_or("\n", DriverName::as_str);
            host.write_attribute(&attribute(self, "driver_override"), name)?;
        }
        if driver_of(self, host) != self.driver {
            if driver_of(self, host).is_some() {
                not_held(self, host)?;
                host.write_attribute(&attribute(self, "driver/unbind"), &self.device.to_string())?;
            }
            if let Some(wanted) = &self.driver {
                bind(self, host, wanted)?;
            }
            tracing::info!(device = %self.device, driver = self.driver.as_ref().map_or("none", DriverName::as_str), "driver changed");
        }
        for link in self.links.iter().filter(|link| link.up) {
            let name = await_link(self, host, link)?;
            if !links_of(self, host).contains(&Link { name: name.clone(), up: true }) {
                host.run("ip", &["link", "set", name.as_str(), "up"], QUICK)?;
            }
        }
        Ok(())
    }
}
