//! The control groups of a machine of the rig, of the version that the machine below it has: a Debian 12 as it is
//! installed has version 2 alone, what was told otherwise at its boot has version 1.
//!
//! Invariant: only groups that bear the machine's name are made or removed.

mod v1;
mod v2;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub(super) use self::v1::{mount_huge, unmount_huge};

/// How long the kernel may take to see that a group's last process is gone.
const EMPTY: Duration = Duration::from_secs(60);

/// The groups of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Groups {
    /// One in each hierarchy.
    V1(v1::Groups),
    /// One in the one tree there is.
    V2(v2::Group),
}

/// Where the controllers are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mounted {
    V1(Vec<v1::Hierarchy>),
    V2(PathBuf),
}

impl Groups {
    /// Those of a machine of that name, whether they are there or not. `huge` is where the rig has mounted the hierarchy
    /// of huge pages, if there is one, and `above` the groups of the program that raised the rig.
    pub(super) fn of(name: &str, above: &str, huge: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match mounted()? {
            Mounted::V1(all) => Self::V1(v1::Groups::of(name, all, above, huge)),
            Mounted::V2(root) => Self::V2(v2::Group::of(name, &root)),
        })
    }

    /// Makes them, ready to take tasks.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        match self {
            Self::V1(groups) => groups.create(),
            Self::V2(group) => group.create(),
        }
    }

    /// For the first process: `FOLDER=OPTIONS`, what a hierarchy is mounted by; `FOLDER=cgroup2` is that of version 2.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self {
            Self::V1(groups) => groups.arguments().collect(),
            Self::V2(group) => vec![group.argument()],
        }
    }

    /// Where processes of the machine are.
    pub(super) fn homes(&self) -> Vec<PathBuf> {
        match self {
            Self::V1(groups) => groups.folders().map(Path::to_owned).collect(),
            Self::V2(group) => vec![group.home()],
        }
    }

    /// Removes them and all below, which a node that was cut off has left.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        match self {
            Self::V1(groups) => groups.folders().try_for_each(remove),
            Self::V2(group) => group.remove(),
        }
    }
}

/// The groups of this program, as the kernel tells them.
pub(super) fn own() -> anyhow::Result<String> {
    fs::read_to_string("/proc/self/cgroup").context("failed to read this program's groups")
}

/// Whether there is a hierarchy of huge pages of version 1 to be mounted.
pub(super) fn huge_known() -> anyhow::Result<bool> {
    Ok(matches!(mounted()?, Mounted::V1(_)) && v1::huge_known()?)
}

/// The controllers that groups below the root would not have, if a rig did not ask for them.
pub(super) fn lacking() -> anyhow::Result<Vec<String>> {
    match mounted()? {
        // Each has a hierarchy, where all groups have it.
        Mounted::V1(_) => Ok(Vec::new()),
        Mounted::V2(root) => v2::lacking(&root),
    }
}

/// Takes controllers from the groups below the root again, once the rig's own are gone.
pub(super) fn take_back(controllers: &[String]) -> anyhow::Result<()> {
    match mounted()? {
        Mounted::V1(_) => Ok(()),
        Mounted::V2(root) => controllers.iter().try_for_each(|c| v2::take_back(&root, c)),
    }
}

fn mounted() -> anyhow::Result<Mounted> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("failed to list mounts")?;
    mounted_of(&mounts)
}

/// A controller is in one version only. Where both are mounted those of version 1 have them, unless all that is mounted
/// of version 1 are names for older programs.
fn mounted_of(mounts: &str) -> anyhow::Result<Mounted> {
    let first = v1::hierarchies(mounts);
    match v2::root(mounts) {
        _ if first.iter().any(v1::Hierarchy::controls) => Ok(Mounted::V1(first)),
        Some(root) => Ok(Mounted::V2(root)),
        None => bail!("no control groups are mounted\n  hint: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`"),
    }
}

/// Removes a group and all below, as soon as the kernel lets it go.
fn remove(folder: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + EMPTY;
    while let Err(error) = remove_below(folder) {
        if Instant::now() > deadline {
            return Err(error).with_context(|| format!("failed to remove `{}`", folder.display()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn remove_below(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n";
    const NAME: &str = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
    const UNIFIED: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const ALONE: &str = "25 22 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
        90 22 0:22 / /run/view/cgroup2 rw - cgroup2 none rw,nsdelegate\n";

    #[test]
    fn the_version_is_that_which_has_the_controllers() {
        let of = |mounts: &[&str]| mounted_of(&mounts.concat()).unwrap();
        assert_eq!(of(&[ALONE]), Mounted::V2("/sys/fs/cgroup".into()));
        assert_eq!(of(&[ALONE, NAME]), Mounted::V2("/sys/fs/cgroup".into()));
        assert_eq!(of(&[CPU, NAME]), Mounted::V1(v1::hierarchies(&[CPU, NAME].concat())));
        assert_eq!(of(&[UNIFIED, CPU, NAME]), of(&[CPU, NAME]));
        let none = mounted_of("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n").unwrap_err().to_string();
        assert!(none.starts_with("no control groups are mounted\n  hint: "), "{none}");
    }

    #[test]
    fn processes_of_a_machine_are_in_its_groups_but_below_that_of_version_2() {
        let all = v1::hierarchies(&[CPU, NAME].concat());
        let first = Groups::V1(v1::Groups::of("rig", all, "1:cpu:/box\n", None));
        let paths = ["/sys/fs/cgroup/cpu/box/rig", "/sys/fs/cgroup/systemd/rig"];
        assert_eq!(first.homes(), paths.map(PathBuf::from));
        assert_eq!(
            first.arguments(),
            [format!("{}=cpu", paths[0]), format!("{}=none,name=systemd", paths[1])]
        );
        let second = Groups::V2(v2::Group::of("rig", Path::new("/sys/fs/cgroup")));
        assert_eq!(second.homes(), [PathBuf::from("/sys/fs/cgroup/rig/rig")]);
        assert_eq!(second.arguments(), ["/sys/fs/cgroup/rig=cgroup2"]);
    }
}
