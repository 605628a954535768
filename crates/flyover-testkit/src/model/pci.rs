//! The PCI bus: overrides, probing, and network devices that come and go with their driver.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::setup::{Nic, put};
use super::{Machine, at, other};

fn device(nic: &Nic, name: &str) -> String {
    format!("/sys/bus/pci/devices/{}/{name}", nic.address)
}

pub(super) fn plug_in(root: &Path, nic: &Nic) -> io::Result<()> {
    for (name, text) in [
        ("driver_override", "(null)\n"),
        ("vendor", "0x8086\n"),
        ("device", "0x10d3\n"),
        ("class", "0x020000\n"),
        ("numa_node", "0\n"),
    ] {
        put(root, &device(nic, name), text)?;
    }
    add_driver(root, nic.driver)?;
    attach(root, nic, nic.driver, nic.up)
}

/// The IOMMU is on, and there are groups; or it is off, and there are none.
pub(super) fn group(root: &Path, nics: &[Nic], on: bool) -> io::Result<()> {
    for (nic, group) in nics.iter().filter_map(|nic| Some((nic, nic.group?))) {
        let directory = format!("/sys/kernel/iommu_groups/{group}");
        let link = at(root, &device(nic, "iommu_group"));
        if on && !link.is_symlink() {
            fs::create_dir_all(at(root, &format!("{directory}/devices")))?;
            symlink(format!("../../../..{}", directory.trim_start_matches("/sys")), link)?;
        } else if !on && link.is_symlink() {
            fs::remove_file(link)?;
            fs::remove_dir_all(at(root, &directory))?;
        }
    }
    Ok(())
}

fn has_group(root: &Path, nic: &Nic) -> bool {
    at(root, &device(nic, "iommu_group")).is_symlink()
}

pub(super) fn add_driver(root: &Path, driver: &str) -> io::Result<()> {
    put(root, &format!("/sys/bus/pci/drivers/{driver}/bind"), "")?;
    put(root, &format!("/sys/bus/pci/drivers/{driver}/unbind"), "")
}

fn attach(root: &Path, nic: &Nic, driver: &str, up: bool) -> io::Result<()> {
    symlink(format!("../../drivers/{driver}"), at(root, &device(nic, "driver")))?;
    let of_driver = format!("/sys/bus/pci/drivers/{driver}/{}", nic.address);
    symlink(format!("../../devices/{}", nic.address), at(root, &of_driver))?;
    if driver == nic.driver {
        put(root, &device(nic, &format!("net/{}/mtu", nic.link)), "1500\n")?;
        symlink("../..", at(root, &device(nic, &format!("net/{}/device", nic.link))))?;
        put(
            root,
            &device(nic, &format!("net/{}/flags", nic.link)),
            if up { "0x1003\n" } else { "0x1002\n" },
        )?;
        let target = format!("../../bus/pci/devices/{}/net/{}", nic.address, nic.link);
        symlink(target, at(root, &format!("/sys/class/net/{}", nic.link)))?;
    }
    Ok(())
}

fn driver_of(root: &Path, nic: &Nic) -> Option<String> {
    Some(fs::read_link(at(root, &device(nic, "driver"))).ok()?.file_name()?.to_str()?.to_owned())
}

pub(super) fn is_in_use(root: &Path, nics: &[Nic], driver: &str) -> bool {
    nics.iter().any(|nic| driver_of(root, nic).as_deref() == Some(driver))
}

impl Machine {
    /// A write to an attribute below `/sys/bus/pci`.
    pub(super) fn pci(&self, root: &Path, path: &str, value: &str) -> io::Result<()> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let of_path = |nic: &&Nic| path.starts_with(&device(nic, ""));
        let of_value = |nic: &&Nic| nic.address == value.trim();
        let named =
            self.hardware.nics.iter().find(of_path).or_else(|| self.hardware.nics.iter().find(of_value));
        let nic = named.ok_or_else(|| io::Error::from_raw_os_error(nix::libc::ENODEV))?;
        match name {
            "driver_override" => {
                let wanted = if value.trim().is_empty() { "(null)" } else { value.trim() };
                fs::write(at(root, path), format!("{wanted}\n"))
            }
            "unbind" => detach(root, nic),
            "drivers_probe" if driver_of(root, nic).is_some() => Ok(()),
            "drivers_probe" => probe(root, nic, None),
            "bind" => probe(root, nic, path.rsplit('/').nth(1)),
            _ => Err(other(format!("{path} cannot be written"))),
        }
    }

    /// `ip link set NAME up`.
    pub(super) fn ip(&self, root: &Path, args: &[&str]) -> io::Result<String> {
        let ["link", "set", name, "up"] = args else { return Err(other("ip: what?")) };
        let flags = at(root, &format!("/sys/class/net/{name}/flags"));
        if !flags.exists() {
            return Err(other(format!("Cannot find device \"{name}\"")));
        }
        fs::write(flags, "0x1003\n").map(|()| String::new())
    }
}

fn detach(root: &Path, nic: &Nic) -> io::Result<()> {
    fs::remove_file(at(root, &device(nic, &format!("driver/{}", nic.address))))?;
    fs::remove_file(at(root, &device(nic, "driver")))?;
    if at(root, &device(nic, "net")).exists() {
        fs::remove_dir_all(at(root, &device(nic, "net")))?;
        fs::remove_file(at(root, &format!("/sys/class/net/{}", nic.link)))?;
    }
    Ok(())
}

/// A driver takes a device that it knows, or that is forced upon it; vfio-pci knows none, and needs a group.
fn probe(root: &Path, nic: &Nic, only: Option<&str>) -> io::Result<()> {
    let forced = fs::read_to_string(at(root, &device(nic, "driver_override")))?;
    let taker = match forced.trim() {
        "(null)" => nic.driver,
        forced => forced,
    };
    let there = at(root, &format!("/sys/bus/pci/drivers/{taker}")).exists();
    let viable = taker == nic.driver || (taker == "vfio-pci" && has_group(root, nic));
    if there && viable && only.is_none_or(|only| only == taker) {
        return attach(root, nic, taker, false);
    }
    if only.is_some() { Err(io::Error::from_raw_os_error(nix::libc::ENODEV)) } else { Ok(()) }
}
