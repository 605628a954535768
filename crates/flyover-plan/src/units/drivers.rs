//! The unit that gives devices their drivers after each boot.

use crate::DriverChoice;
use crate::units::{BEFORE, oneshot};

/// Where the kernel says whether vfio may have devices without an IOMMU.
pub(crate) const NOIOMMU: &str = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

/// The text of [`DRIVERS_UNIT`](super::DRIVERS_UNIT), if there are devices that are to have another driver.
///
/// Each line can be repeated, and a device that is not there is passed over: a card that was taken out must not
/// keep the others from their drivers. So is another device that now stands at the address: addresses move when a card
/// is added, and the newcomer may be the one through which the host is reached.
#[must_use]
pub fn drivers_unit(drivers: &[DriverChoice], unsafe_noiommu: bool) -> Option<String> {
    let noiommu = unsafe_noiommu.then(|| format!("modprobe vfio; echo Y > {NOIOMMU}"));
    let acts: Vec<String> = noiommu.into_iter().chain(drivers.iter().map(bind)).collect();
    let checks: Vec<String> = drivers.iter().map(is_bound).collect();
    let head = format!(
        "Description=Flyover: drivers of devices\n\
         After=systemd-modules-load.service systemd-udevd.service\n\
         Before=network-pre.target\n{BEFORE}Wants=network-pre.target\n"
    );
    (!drivers.is_empty()).then(|| oneshot(&head, &acts, &checks))
}

/// The override comes before the unbind: from then on no other driver can take the device.
fn bind(choice: &DriverChoice) -> String {
    let DriverChoice { device, driver, .. } = choice;
    let at = format!("/sys/bus/pci/devices/{device}");
    [
        format!("{} || exit 0", is_meant(choice)),
        format!("modprobe {driver}"),
        format!("echo {driver} > {at}/driver_override"),
        format!("test -e /sys/bus/pci/drivers/{driver}/{device} && exit 0"),
        format!("test ! -e {at}/driver || echo {device} > {at}/driver/unbind"),
        format!("echo {device} > /sys/bus/pci/drivers_probe"),
    ]
    .join("; \\\n    ")
}

/// Whether the device at the address is the one that was chosen.
fn is_meant(choice: &DriverChoice) -> String {
    let DriverChoice { device, id, .. } = choice;
    let at = format!("/sys/bus/pci/devices/{device}");
    let (vendor, model) = (id.vendor, id.device);
    format!("grep -qsx 0x{vendor:04x} {at}/vendor && grep -qsx 0x{model:04x} {at}/device")
}

fn is_bound(choice: &DriverChoice) -> String {
    let DriverChoice { device, driver, .. } = choice;
    [
        format!("{} || exit 0", is_meant(choice)),
        format!("test -e /sys/bus/pci/drivers/{driver}/{device} && exit 0"),
        format!("echo {device} is not with {driver}"),
        "exit 1".to_owned(),
    ]
    .join("; \\\n    ")
}
