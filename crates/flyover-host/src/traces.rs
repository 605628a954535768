//! What Flyover leaves on a machine as long as it works there, so that it can be seen that it is gone.
//!
//! Invariant: nothing is asked of Flyover's own books, which are gone when this matters; a place is known by the name that only
//! we give it. Looking changes nothing.

use flyover_core::HostPath;

use crate::root::HostRoot;

/// Files and folders that are ours whole.
const OURS: [&str; 9] = [
    "/etc/default/grub.d/zz-flyover.cfg",
    "/etc/flyover",
    "/etc/initramfs-tools/conf.d/flyover",
    "/etc/modprobe.d/flyover.conf",
    "/etc/modules-load.d/flyover.conf",
    "/etc/sysctl.d/zz-flyover.conf",
    "/run/flyover",
    "/usr/share/initramfs-tools/modules.d/flyover",
    "/var/lib/flyover",
];

/// Folders of others in which what begins with our name, or has it after a number, is ours.
const AMONG: [&str; 6] = [
    "/etc/cni/net.d",
    "/etc/systemd/system",
    "/etc/tmpfiles.d",
    "/etc/udev/rules.d",
    "/opt/cni/bin",
    "/sys/fs/bpf",
];

/// All that is there, sorted.
#[must_use]
pub fn left(host: &HostRoot) -> Vec<HostPath> {
    let known = |path: &str| path.parse::<HostPath>().expect("our own paths are paths");
    let mut left: Vec<HostPath> =
        OURS.iter().map(|path| known(path)).filter(|path| host.exists(path)).collect();
    for folder in AMONG {
        let names = host.names_like(&known(folder), &is_ours);
        left.extend(names.iter().filter_map(|name| format!("{folder}/{name}").parse().ok()));
    }
    // The second name of the CNI plugin is that of another's plugin too: what stands in it tells them apart.
    let second = known("/opt/cni/bin/userspace");
    left.extend(host.text(&second).filter(|text| text.contains("flyover")).map(|_| second));
    left.sort();
    left
}

/// `flyover`, `flyover-hugepages.service`, `90-flyover-agent.rules`.
fn is_ours(name: &str) -> bool {
    let after_number = name.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = after_number.strip_prefix('-').unwrap_or(name);
    name.strip_prefix("flyover").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Arc;

    use crate::tree::{HostTree, Recorded};

    #[test]
    fn what_bears_our_name_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "etc/systemd/system/flyover-hugepages.service",
            "etc/systemd/system/ovs-vswitchd.service",
            "etc/udev/rules.d/90-flyover-agent.rules",
            "etc/cni/net.d/10-flyoverland.conf",
            "opt/cni/bin/flyover",
            "opt/cni/bin/bridge",
            "var/lib/flyover/node/0/plan",
        ];
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let host = HostRoot::new(folder.path(), Arc::new(Recorded::of(&HostTree::default())));
        let found: Vec<String> = left(&host).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "/etc/systemd/system/flyover-hugepages.service",
                "/etc/udev/rules.d/90-flyover-agent.rules",
                "/opt/cni/bin/flyover",
                "/var/lib/flyover",
            ]
        );
    }
}
