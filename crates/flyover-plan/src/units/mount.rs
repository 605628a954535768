//! Units that mount hugepages.

use flyover_api::HugepageMountSpec;
use flyover_core::{HostPath, UnitName};

use crate::units::{BEFORE, HEADER, closed, one_line, unit_value};

/// Longest name of a unit without `.mount`.
const MAX_STEM: usize = 255 - ".mount".len();

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
    (mount_name(&mount.path), text)
}

/// The name of the unit that mounts there: `systemd-escape --path --suffix=mount`. A path too long for one is cut, and
/// systemd refuses that unit.
#[must_use]
pub fn mount_name(path: &HostPath) -> UnitName {
    let mut stem = String::new();
    let relative = path.as_str().trim_start_matches('/');
    for (at, byte) in relative.bytes().enumerate() {
        let escaped = match byte {
            b'/' => "-".to_owned(),
            b'.' if at == 0 => r"\x2e".to_owned(),
            b'.' | b'_' | b':' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!(r"\x{byte:02x}"),
        };
        if stem.len() + escaped.len() > MAX_STEM {
            break;
        }
        stem.push_str(&escaped);
    }
    let stem = if stem.is_empty() { "-" } else { &stem };
    format!("{stem}.mount").parse().expect("escaped characters within the length are a name of a unit")
}
