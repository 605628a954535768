//! Mounts of hugepages: units of systemd, or plain mounts where it does not run.

use flyover_api::HugepageMountSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{Action, Disturbance, HostPath, MountAt, Wish};

use super::unit::literal;
use super::{HEAD, file_wish, mount_unit_name, own_file, own_path, unit_wish};
use crate::{OwnFile, Settled};

pub(super) fn wishes(settled: &Settled, facts: &HostFacts) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for mount in &settled.mounts {
        // A size the command line has yet to name cannot be mounted before it does.
        let after_reboot = !facts.memory.hugepages.contains_key(&mount.page_size);
        let why = format!("hugepages.mounts: pages of {} at {}", mount.page_size, mount.path);
        if facts.os.systemd {
            let (path, file) = file(mount);
            wishes.push(file_wish(&path, &file, after_reboot));
            wishes.push(unit_wish(&mount_unit_name(&mount.path), &why, after_reboot));
        } else {
            let action = Action::Mount(MountAt {
                path: mount.path.clone(),
                options: Some(options(mount)),
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
    let path = own_path(&format!("/etc/systemd/system/{}", mount_unit_name(&mount.path)));
    let content = format!(
        "{HEAD}[Unit]\n\
         Description=Hugepages of {size} of the node profile\n\
         Before=kubelet.service\n\
         \n\
         [Mount]\n\
         What=hugetlbfs\n\
         Where={place}\n\
         Type=hugetlbfs\n\
         Options={options}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        size = mount.page_size,
        place = literal(mount.path.as_str()),
        options = options(mount),
    );
    (path, own_file(content, &format!("the mount at {}", mount.path)))
}

fn options(mount: &HugepageMountSpec) -> String {
    let fields = [
        Some(format!("pagesize={}", mount.page_size)),
        mount.mode.map(|mode| format!("mode={mode}")),
        mount.gid.map(|gid| format!("gid={gid}")),
        mount.size.as_ref().map(|size| format!("size={size}")),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join(",")
}
