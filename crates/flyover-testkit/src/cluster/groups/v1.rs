//! Control groups of version 1: one group in each hierarchy, below those of the program that raised the rig.
//!
//! Invariant: what limits that program limits the rig.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A hierarchy, where it is mounted and what it is mounted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    place: PathBuf,
    options: String,
}

/// The hierarchy that counts huge pages; few machines have it mounted, and kubelet offers none without. Each rig mounts
/// it for itself: another's mount goes when that one does.
const HUGEPAGES: &str = "hugetlb";

/// What the options of a hierarchy begin with that has a name and no controllers.
const NAMED: &str = "none,";

/// The groups of one machine: each folder, and what its hierarchy is mounted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Groups(Vec<(PathBuf, String)>);

impl Groups {
    pub(super) fn of(name: &str, mut all: Vec<Hierarchy>, above: &str, huge: Option<&Path>) -> Self {
        if let Some(place) = huge {
            all.retain(|hierarchy| hierarchy.options != HUGEPAGES);
            all.push(Hierarchy { place: place.to_owned(), options: HUGEPAGES.into() });
        }
        Self(
            all.into_iter()
                .map(|h| (h.place.join(path_in(above, &h.options)).join(name), h.options))
                .collect(),
        )
    }

    pub(super) fn create(&self) -> anyhow::Result<()> {
        for (folder, options) in &self.0 {
            fs::create_dir_all(folder).with_context(|| format!("failed to create `{}`", folder.display()))?;
            if options.split(',').any(|option| option == "cpuset") {
                let above = folder.parent().context("a group has one above")?;
                // An empty set of processors takes no task, and groups below inherit only by consent.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    fs::write(folder.join(file), fs::read(above.join(file))?)?;
                }
                fs::write(folder.join("cgroup.clone_children"), "1")?;
            }
        }
        Ok(())
    }

    pub(super) fn arguments(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(folder, options)| format!("{}={options}", folder.display()))
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(folder, _)| folder.as_path())
    }
}

impl Hierarchy {
    /// Whether it has controllers.
    pub(super) fn controls(&self) -> bool {
        !self.options.starts_with(NAMED)
    }
}

/// Whether the kernel can count huge pages.
pub(super) fn huge_known() -> anyhow::Result<bool> {
    let controllers = fs::read_to_string("/proc/cgroups").context("failed to list controllers")?;
    Ok(controllers.lines().any(|line| line.starts_with(HUGEPAGES)))
}

/// Mounts the hierarchy of huge pages.
pub(in super::super) fn mount_huge(place: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(place)?;
    mount(Some("cgroup"), place, Some("cgroup"), MsFlags::empty(), Some(HUGEPAGES))
        .with_context(|| format!("failed to mount the control groups of huge pages at `{}`", place.display()))
}

/// Takes that mount away again.
pub(in super::super) fn unmount_huge(place: &Path) -> anyhow::Result<()> {
    match umount2(place, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => Ok(()),
        Err(error) => bail!("failed to unmount `{}`: {error}", place.display()),
    }
}

/// What is mounted.
pub(super) fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for hierarchy in mounts.lines().filter_map(hierarchy) {
        // One that is mounted twice is still one.
        if !found.iter().any(|h| h.options == hierarchy.options) {
            found.push(hierarchy);
        }
    }
    found
}

/// The hierarchy of a line of mountinfo, if it is one.
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let (head, tail) = line.split_once(" - ")?;
    let mut tail = tail.split(' ');
    if tail.next() != Some("cgroup") {
        return None;
    }
    let options = tail.nth(1)?.split(',').filter(|o| !["rw", "ro", "xattr", "none"].contains(o));
    let options =
        options.filter(|o| !o.contains('=') || o.starts_with("name=")).collect::<Vec<_>>().join(",");
    let options = if options.starts_with("name=") { format!("{NAMED}{options}") } else { options };
    Some(Hierarchy { place: head.split(' ').nth(4)?.into(), options })
}

/// A program's group in a hierarchy, relative to its root.
fn path_in(own: &str, options: &str) -> PathBuf {
    let wanted = options.strip_prefix(NAMED).unwrap_or(options);
    let mut lines = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let path = lines.find(|(controllers, _)| *controllers == wanted).map_or("", |(_, path)| path);
    path.trim_start_matches('/').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hierarchy_is_known_by_what_it_is_mounted_by() {
        let line = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct";
        let cpu = Hierarchy { place: "/sys/fs/cgroup/cpu".into(), options: "cpu,cpuacct".into() };
        assert_eq!(hierarchy(line), Some(cpu));
        let line = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd";
        assert_eq!(hierarchy(line).map(|h| h.options), Some("none,name=systemd".into()));
        assert_eq!(hierarchy("41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"), None);
    }

    #[test]
    fn the_rig_stands_below_the_group_of_its_program() {
        let own = "9:name=systemd:/\n4:memory:/box/7\n1:cpu,cpuacct:/a\n0::/\n";
        let paths = ["memory", "none,name=systemd", "cpu,cpuacct", "hugetlb"].map(|h| path_in(own, h));
        assert_eq!(paths, ["box/7", "", "a", ""].map(PathBuf::from));
    }
}
