//! Mounts of hugepages: units of systemd, or plain mounts where it does not run.

use flyover_api::HugepageMountSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{Action, Disturbance, HostPath, MountAt, UnitName, Wish};

use super::{file_wish, own_file, unit_path, unit_wish};
use crate::{OwnFile, Settled, units};

pub(super) fn wishes(settled: &Settled, facts: &HostFacts) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for mount in &settled.mounts {
        // A size the command line has yet to name cannot be mounted before it does.
        let after_reboot = !facts.memory.hugepages.contains_key(&mount.page_size);
        let why = format!("hugepages.mounts: pages of {} at {}", mount.page_size, mount.path);
        if facts.os.systemd {
            let (path, file) = file(mount);
            wishes.push(file_wish(&path, &file, after_reboot));
            wishes.push(unit_wish(UnitName::of_mount(&mount.path).as_str(), &why, after_reboot));
        } else {
            let action = Action::Mount(MountAt {
                path: mount.path.clone(),
                options: Some(units::mount_options(mount)),
                dirs: Vec::new(),
            });
            wishes.push(Wish { action, why, disturbs: Disturbance::None, after_reboot });
        }
    }
    wishes
}

pub(super) fn files(settled: &Settled, facts: &HostFacts) -> Vec<(HostPath, OwnFile)> {
    let mounts = settled.mounts.iter().filter(|_| facts.os.systemd);
    mounts.map(file).collect()
}

fn file(mount: &HugepageMountSpec) -> (HostPath, OwnFile) {
    let (unit, text) = units::mount_unit(mount);
    (unit_path(unit.as_str()), own_file(text, &format!("the mount at {}", mount.path)))
}
