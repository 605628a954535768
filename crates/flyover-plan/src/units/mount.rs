//! Units that mount hugepages.

use flyover_api::HugepageMountSpec;
use flyover_core::UnitName;

use crate::units::{BEFORE, HEADER, closed, one_line, unit_value};

/// The options of the mount as mount(8) takes them: `pagesize=1G,mode=0770`.
#[must_use]
pub fn mount_options(mount: &HugepageMountSpec) -> String {
    let mode = mount.mode.map(|mode| format!(",mode={mode}"));
    let gid = mount.gid.map(|gid| format!(",gid={gid}"));
    let size = mount.size.as_ref().map(|size| format!(",size={}", one_line(size)));
    let more: String = [mode, gid, size].into_iter().flatten().collect();
    format!("pagesize={}{more}", mount.page_size)
}

/// The unit that mounts hugepages there, under the one name systemd allows for the path.
#[must_use]
pub fn mount_unit(mount: &HugepageMountSpec) -> (UnitName, String) {
    let path = unit_value(mount.path.as_str());
    let about = closed(&format!("Description=Flyover: hugepages of {} at {path}", mount.page_size));
    let place = closed(&format!("Where={path}"));
    let options = closed(&format!("Options={}", unit_value(&mount_options(mount))));
    let text = format!(
        "{HEADER}\n[Unit]\n{about}{BEFORE}\n\
         [Mount]\nWhat=hugetlbfs\n{place}Type=hugetlbfs\n{options}\n[Install]\nWantedBy=multi-user.target\n"
    );
    (UnitName::of_mount(&mount.path), text)
}
