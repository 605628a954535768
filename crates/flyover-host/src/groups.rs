//! Control groups: a process that is to outlive who started it leaves the groups it was started in.
//!
//! Why: what is in a container's groups is killed with the container, what is in a service's with the service; and a
//! container's group may open none of the host's devices.
//!
//! Invariant: only the groups at the roots are joined, so nothing is made that would have to be removed.

use std::path::Path;

use flyover_core::HostPath;

use crate::root::HostRoot;

/// What is mounted where, as this process sees it.
const MOUNTS: &str = "/proc/self/mountinfo";
/// Where a host has its hierarchies. What is mounted elsewhere is somebody's view of some of them.
const HOME: &str = "/sys/fs/cgroup";

/// Moves a process out of the groups of who started it. Where that is not allowed it stays, and that is logged.
pub fn leave(host: &HostRoot, process: u32) {
    for root in roots(&host.text(&HostPath::fixed(MOUNTS)).unwrap_or_default()) {
        let Ok(file) = root.join("cgroup.procs") else { continue };
        // It changes nothing of the host, so there is nothing to go back on.
        let moved = host.outside().write_attribute(host.root(), &file, &process.to_string());
        if let Err(error) = moved {
            tracing::debug!(process, %error, "it stays in the control group it was started in");
        }
    }
}

/// Where the roots of the hierarchies are mounted.
fn roots(mounts: &str) -> Vec<HostPath> {
    let root = |line: &str| {
        let (place, what) = line.split_once(" - ")?;
        let kind = what.split(' ').next()?;
        let place = place.split(' ').nth(4)?;
        let ours = matches!(kind, "cgroup" | "cgroup2") && Path::new(place).starts_with(HOME);
        ours.then(|| place.parse().ok())?
    };
    mounts.lines().filter_map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_of_all_hierarchies_are_found_and_nothing_else() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            25 22 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
            31 22 0:28 / /sys/fs/group tmpfs rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            33 22 0:29 / /srv/rig/cpu rw,relatime - cgroup cgroup rw,cpu\n";
        let found: Vec<String> = roots(mounts).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu"]);
    }
}

#[cfg(test)]
mod root {
    use std::fs;

    use super::*;
    use crate::cmd::Cmd;
    use crate::live::Live;

    /// The groups a process is in, a line each.
    fn groups(process: u32) -> Vec<String> {
        let told = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
        told.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_was_started_in_a_group_is_in_none_afterwards() {
        let host = Live::host();
        let root = roots(&host.text(&HostPath::fixed(MOUNTS)).unwrap()).into_iter();
        // Any hierarchy in which a group needs no settings of its own.
        let root = root.map(|root| host.path(&root)).find(|root| !root.join("cpuset.cpus").exists()).unwrap();
        let group = root.join(format!("flyover-test-{}", std::process::id()));
        fs::create_dir(&group).unwrap();
        let log = fs::File::open("/dev/null").unwrap();
        let mut child = Cmd::new("sleep").args(["60"]).daemon(log).unwrap();
        fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
        let name = format!("/{}", group.file_name().unwrap().to_str().unwrap());
        assert!(groups(child.id()).iter().any(|line| line.ends_with(&name)), "{:?}", groups(child.id()));

        leave(&host, child.id());

        let after = groups(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir(&group).unwrap();
        assert!(after.iter().all(|line| line.ends_with(":/")), "{after:?}");
    }
}
