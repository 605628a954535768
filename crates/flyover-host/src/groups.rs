//! Control groups: a process that is to outlive who started it leaves the groups it was started in.
//!
//! Why: what is in a container's groups is killed with the container, what is in a service's with the service; and a
//! container's group may open none of the host's devices.
//!
//! Invariant: only groups are joined that are there as long as the host is, so nothing is made that would have to be
//! removed: those at the roots, and where a root takes no process the one of the host's first process. Of version 2 no
//! group takes one that hands controllers on to others, but for the root of all: where the host is itself a container,
//! what it sees as the root is none.

use std::path::Path;

use flyover_core::HostPath;

use crate::root::HostRoot;

/// What is mounted where, as this process sees it.
const MOUNTS: &str = "/proc/self/mountinfo";
/// The groups of the host's first process.
const FIRST: &str = "/proc/1/cgroup";
/// Where a host has its hierarchies. What is mounted elsewhere is somebody's view of some of them.
const HOME: &str = "/sys/fs/cgroup";

/// Moves a process out of the groups of who started it. Where that is not allowed it stays, and that is logged.
pub fn leave(host: &HostRoot, process: u32) {
    let text = |path| host.text(&HostPath::fixed(path)).unwrap_or_default();
    for root in roots(&text(MOUNTS)) {
        let below = root.unified.then(|| first(&text(FIRST), &root.place)).flatten();
        let mut groups = [Some(root.place), below].into_iter().flatten();
        if !groups.any(|group| join(host, &group, process)) {
            tracing::debug!(process, "it stays in a control group it was started in");
        }
    }
}

fn join(host: &HostRoot, group: &HostPath, process: u32) -> bool {
    let Ok(file) = group.join("cgroup.procs") else { return false };
    // It changes nothing of the host, so there is nothing to go back on.
    let moved = host.outside().write_attribute(host.root(), &file, &process.to_string());
    if let Err(error) = &moved {
        tracing::debug!(process, %group, %error, "it cannot be moved to this control group");
    }
    moved.is_ok()
}

/// The root of a hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    place: HostPath,
    /// Of version 2.
    unified: bool,
}

/// Where the roots of the hierarchies are mounted.
fn roots(mounts: &str) -> Vec<Root> {
    let root = |line: &str| {
        let (place, what) = line.split_once(" - ")?;
        let kind = what.split(' ').next()?;
        let place = place.split(' ').nth(4)?;
        let ours = matches!(kind, "cgroup" | "cgroup2") && Path::new(place).starts_with(HOME);
        ours.then(|| Some(Root { place: place.parse().ok()?, unified: kind == "cgroup2" }))?
    };
    mounts.lines().filter_map(root).collect()
}

/// The group of version 2 that a process is in, if it is below the root.
fn first(groups: &str, root: &HostPath) -> Option<HostPath> {
    let below = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!below.is_empty()).then(|| root.join(below).ok())?
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::live::Live;

    #[test]
    fn the_roots_of_all_hierarchies_are_found_and_nothing_else() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            25 22 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
            31 22 0:28 / /sys/fs/group tmpfs rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            33 22 0:29 / /srv/rig/cpu rw,relatime - cgroup cgroup rw,cpu\n";
        let root = |place: &str, unified| Root { place: place.parse().unwrap(), unified };
        assert_eq!(roots(mounts), [root("/sys/fs/cgroup", true), root("/sys/fs/cgroup/cpu", false)]);
    }

    #[test]
    fn where_the_root_takes_no_process_the_group_of_the_first_one_does() {
        let host = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = host.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/mountinfo", "25 22 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
        write("proc/1/cgroup", "1:name=systemd:/other\n0::/init.scope\n");
        write("sys/fs/cgroup/init.scope/cgroup.procs", "");
        let read = |path: &str| fs::read_to_string(host.path().join(path)).unwrap();
        // A root that refuses, as far as the one who writes can tell.
        fs::create_dir(host.path().join("sys/fs/cgroup/cgroup.procs")).unwrap();
        leave(&HostRoot::new(host.path(), Arc::new(Live)), 4711);
        assert_eq!(read("sys/fs/cgroup/init.scope/cgroup.procs"), "4711");
        // One that takes it.
        fs::remove_dir(host.path().join("sys/fs/cgroup/cgroup.procs")).unwrap();
        write("sys/fs/cgroup/cgroup.procs", "");
        leave(&HostRoot::new(host.path(), Arc::new(Live)), 42);
        assert_eq!(read("sys/fs/cgroup/cgroup.procs"), "42");
        assert_eq!(read("sys/fs/cgroup/init.scope/cgroup.procs"), "4711");
    }

    #[test]
    fn a_first_process_that_is_at_the_root_or_outside_of_what_is_seen_has_no_group_below() {
        let root: HostPath = "/sys/fs/cgroup".parse().unwrap();
        let first = |groups: &str| first(groups, &root).map(|group| group.to_string());
        assert_eq!(first("4:memory:/box\n0::/rig\n"), Some("/sys/fs/cgroup/rig".into()));
        assert_eq!([first("0::/\n"), first("0::/../other\n"), first("4:memory:/box\n")], [None, None, None]);
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
        let root =
            root.map(|root| host.path(&root.place)).find(|root| !root.join("cpuset.cpus").exists()).unwrap();
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
