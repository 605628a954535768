//! Which processes have groups of vfio open: the kernel makes an unbind wait for them.

use std::collections::{BTreeMap, BTreeSet};

use flyover_core::{HostPath, IommuGroup, PciAddr};

use super::dir::Dir;
use crate::root::HostRoot;

/// Processes by the group they hold.
#[derive(Debug, Default)]
pub(super) struct Holders(BTreeMap<u32, BTreeSet<(u32, String)>>);

impl Holders {
    /// Looks through the open files of all processes, but only where there is a group that one could have open.
    pub(super) fn read(host: &HostRoot) -> Self {
        let mut holders = Self::default();
        let groups = Dir::at(host, "/dev/vfio").names();
        if groups.iter().all(|name| group_of(name).is_none()) {
            return holders;
        }
        for (pid, process) in Dir::at(host, "/proc").numbered("") {
            let files = process.below("fd");
            for group in files.names().iter().filter_map(|fd| open_group(&files, fd)) {
                let name = process.text("comm").unwrap_or_default();
                holders.0.entry(group).or_default().insert((pid, name));
            }
        }
        holders
    }

    /// Those that hold a group: `qemu (1234)`.
    pub(super) fn of(&self, group: IommuGroup) -> Vec<String> {
        let holders = self.0.get(&group.0).into_iter().flatten();
        holders.map(|(pid, name)| format!("{name} ({pid})")).collect()
    }
}

/// Whether vfio gives devices away that no IOMMU holds back.
pub(crate) fn is_unsafe(host: &HostRoot) -> bool {
    let switch = HostPath::fixed("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    matches!(host.text(&switch).as_deref(), Some("Y" | "1"))
}

/// What that makes of the host.
pub(super) fn taint(host: &HostRoot) -> Option<String> {
    let taint = "unsafe no-IOMMU mode: who has a device of vfio can write all memory";
    is_unsafe(host).then(|| taint.to_owned())
}

/// Those that hold the group of a PCI function: `qemu (1234)`.
pub(crate) fn holders_of(host: &HostRoot, device: PciAddr) -> Vec<String> {
    let link = HostPath::fixed(&format!("/sys/bus/pci/devices/{device}/iommu_group"));
    let group = host.link_name(&link).and_then(|name| name.parse().ok());
    group.map(|group| Holders::read(host).of(group)).unwrap_or_default()
}

fn open_group(files: &Dir<'_>, fd: &str) -> Option<u32> {
    // A process in a root of its own may see the same directory elsewhere.
    group_of(files.link(fd)?.to_str()?.rsplit_once("/dev/vfio/")?.1)
}

/// `12`, and `noiommu-12` where the kernel was told to do without an IOMMU.
fn group_of(name: &str) -> Option<u32> {
    name.strip_prefix("noiommu-").unwrap_or(name).parse().ok()
}
