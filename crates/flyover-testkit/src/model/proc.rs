//! Hugepages, sysctls, modules and mounts.

use std::fs;
use std::io;
use std::path::Path;

use super::setup::put;
use super::{Machine, at, other, pci, tables};

/// Modules there are, with the driver or the sysctl that comes with each.
const MODULES: [(&str, Option<&str>, Option<&str>); 3] = [
    ("vfio_iommu_type1", None, None),
    ("vfio_pci", Some("vfio-pci"), None),
    ("br_netfilter", None, Some("/proc/sys/net/bridge/bridge-nf-call-iptables")),
];

const POOL: &str = "hugepages/hugepages-2048kB/nr_hugepages";

/// As many pages, all of them free.
fn put_pool(root: &Path, path: &str, pages: u64) -> io::Result<()> {
    put(root, path, &format!("{pages}\n"))?;
    put(root, &path.replace("nr_hugepages", "free_hugepages"), &format!("{pages}\n"))
}

impl Machine {
    /// A write to an attribute of the kernel.
    pub(super) fn attribute(&self, root: &Path, path: &str, value: &str) -> io::Result<()> {
        if !at(root, path).exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if path.starts_with("/sys/bus/pci/") {
            return self.pci(root, path, value);
        }
        if path.ends_with(POOL) {
            return self.hugepages(root, path, value);
        }
        if path == "/proc/sys/vm/compact_memory" {
            return Ok(());
        }
        if path == "/proc/sys/vm/swappiness" && value.trim().parse::<u32>().is_ok_and(|value| value > 200) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        fs::write(at(root, path), format!("{}\n", value.split_whitespace().collect::<Vec<_>>().join("\t")))
    }

    /// Takes what there is, and says that all is well.
    fn hugepages(&self, root: &Path, path: &str, value: &str) -> io::Result<()> {
        let wanted: u64 = value.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let nodes = self.hardware.pages.len() as u64;
        let pool = |node: u64| format!("/sys/devices/system/node/node{node}/{POOL}");
        let mut total = 0;
        for (node, most) in (0..nodes).zip(&self.hardware.pages) {
            let now: u64 =
                fs::read_to_string(at(root, &pool(node)))?.trim().parse().map_err(io::Error::other)?;
            let share = wanted / nodes + u64::from(node < wanted % nodes);
            let whole = path.starts_with("/sys/kernel/mm");
            let becomes = if whole {
                share
            } else if path == pool(node) {
                wanted
            } else {
                now
            }
            .min(*most);
            put_pool(root, &pool(node), becomes)?;
            total += becomes;
        }
        put_pool(root, &format!("/sys/kernel/mm/{POOL}"), total)?;
        tables::memory(root, &self.hardware)
    }

    /// `modprobe [-r|--dry-run --quiet] NAME [OPTION=VALUE]…`.
    pub(super) fn modprobe(&self, root: &Path, args: &[&str]) -> io::Result<String> {
        let name = args
            .iter()
            .find(|arg| !arg.starts_with('-'))
            .map(|name| name.replace('-', "_"))
            .unwrap_or_default();
        let (_, driver, sysctl) = MODULES
            .iter()
            .find(|(known, ..)| *known == name)
            .ok_or_else(|| other(format!("Module {name} not found")))?;
        let list = fs::read_to_string(at(root, "/proc/modules"))?;
        let line = format!("{name} 1 0 - Live 0x0\n");
        match args.first() {
            Some(&"--dry-run") => {}
            Some(&"-r") => {
                if driver.is_some_and(|driver| pci::is_in_use(root, &self.hardware.nics, driver)) {
                    return Err(other(format!("Module {name} is in use")));
                }
                for gone in driver
                    .map(|driver| format!("/sys/bus/pci/drivers/{driver}"))
                    .into_iter()
                    .chain([format!("/sys/module/{name}")])
                {
                    fs::remove_dir_all(at(root, &gone))?;
                }
                if let Some(directory) = sysctl.and_then(|path| Path::new(path).parent()?.to_str()) {
                    fs::remove_dir_all(at(root, directory))?;
                }
                put(root, "/proc/modules", &list.replace(&line, ""))?;
            }
            _ if list.contains(&line) => {}
            _ => {
                fs::create_dir_all(at(root, &format!("/sys/module/{name}")))?;
                driver.map_or(Ok(()), |driver| pci::add_driver(root, driver))?;
                sysctl.map_or(Ok(()), |path| put(root, path, "1\n"))?;
                put(root, "/proc/modules", &format!("{list}{line}"))?;
            }
        }
        Ok(String::new())
    }

    /// `mount -t hugetlbfs -o OPTIONS hugetlbfs PATH`, `umount PATH`.
    pub(super) fn mount(&self, root: &Path, program: &str, args: &[&str]) -> io::Result<String> {
        let table = fs::read_to_string(at(root, "/proc/self/mounts"))?;
        let table = match (program, args) {
            ("mount", ["-t", kind, "-o", options, what, path]) => {
                if !at(root, path).is_dir() {
                    return Err(other(format!("mount: {path}: mount point does not exist.")));
                }
                let options = options.replace("mode=0", "mode=").replace("pagesize=1G", "pagesize=1024M");
                format!("{table}{what} {path} {kind} rw,relatime,{options} 0 0\n")
            }
            ("umount", [path]) => {
                let is_at = |line: &&str| line.split(' ').nth(1) == Some(path);
                let last = table
                    .lines()
                    .rev()
                    .find(is_at)
                    .ok_or_else(|| other(format!("umount: {path}: not mounted.")))?;
                let from = table.rfind(last).unwrap_or_default();
                format!("{}{}", &table[..from], &table[from + last.len() + 1..])
            }
            _ => return Err(other("mount: what?")),
        };
        put(root, "/proc/self/mounts", &table).map(|()| String::new())
    }
}
