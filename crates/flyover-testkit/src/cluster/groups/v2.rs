//! The control group of version 2: one below the root of the tree, and in it one for what runs in the machine.
//!
//! A group hands controllers on to those below it, or it has processes; only the root of all may do both. So the machine's
//! group stands below the root and not below that of the program that raised the rig: what limits that program does not
//! limit the rig, but what limits a container does, whose own root this is. And in the machine, where the machine's
//! group is taken for the root, processes are one further down, and kubelet and runc find a root that hands on.
//!
//! Invariant: what the root hands on because of a rig, it does no more when the last rig is gone, unless somebody else
//! has come to use it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// What pods are limited by, as far as the kernel has it.
const WANTED: [&str; 6] = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"];
/// What kubelet does not start without.
const NEEDED: [&str; 4] = ["cpuset", "cpu", "memory", "pids"];

/// What a group has from its parent, and what it hands on.
const HAS: &str = "cgroup.controllers";
const HANDS_ON: &str = "cgroup.subtree_control";

/// The group of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Group {
    root: PathBuf,
    folder: PathBuf,
}

impl Group {
    pub(super) fn of(name: &str, root: &Path) -> Self {
        Self { root: root.to_owned(), folder: root.join(name) }
    }

    /// The machine's first process hands on what the group has when it has left it.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        let has = words(&self.root, HAS)?;
        let missing: Vec<&str> = NEEDED.into_iter().filter(|n| !has.iter().any(|c| c == n)).collect();
        ensure!(
            missing.is_empty(),
            "the control groups at `{}` have no {}, which kubelet needs\n  hint: the kernel was told to do without, \
             or this is a container that was not given them",
            self.root.display(),
            missing.join(", ")
        );
        for controller in lacking(&self.root)? {
            hand_on(&self.root, &controller)?;
        }
        let home = self.home();
        fs::create_dir_all(&home).with_context(|| format!("failed to create `{}`", home.display()))
    }

    pub(super) fn argument(&self) -> String {
        format!("{}=cgroup2", self.folder.display())
    }

    /// `machine.sh` knows it by this name.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.join("rig")
    }

    pub(super) fn remove(&self) -> anyhow::Result<()> {
        // Kernels before 5.14 cannot; what runs there has died with the machine's first process.
        let _none = write(&self.folder, "cgroup.kill", "1");
        super::remove(&self.folder)
    }
}

/// The root of the tree, as this program sees it.
pub(super) fn root(mounts: &str) -> Option<PathBuf> {
    let root = |line: &str| {
        let (head, tail) = line.split_once(" - ")?;
        (tail.split(' ').next()? == "cgroup2").then(|| head.split(' ').nth(4).map(PathBuf::from))?
    };
    mounts.lines().find_map(root)
}

/// What is wanted and there, and not handed on by the root.
pub(super) fn lacking(root: &Path) -> anyhow::Result<Vec<String>> {
    let (mut has, handed) = (words(root, HAS)?, words(root, HANDS_ON)?);
    has.retain(|controller| WANTED.contains(&controller.as_str()) && !handed.contains(controller));
    Ok(has)
}

/// Takes a controller from the groups below the root. It stays if one of them hands it on, which the kernel would not
/// allow, or limits something by it, which would be lost without a word.
pub(super) fn take_back(root: &Path, controller: &str) -> anyhow::Result<()> {
    if limits(root, controller)? {
        return Ok(());
    }
    match write(root, HANDS_ON, &format!("-{controller}")) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(()),
        done => done.with_context(|| format!("`{}` still hands on {controller}", root.display())),
    }
}

fn hand_on(root: &Path, controller: &str) -> anyhow::Result<()> {
    let handed = write(root, HANDS_ON, &format!("+{controller}"));
    let busy = handed.as_ref().is_err_and(|error| error.kind() == ErrorKind::ResourceBusy);
    // The root of all is never busy.
    let hint =
        if busy { "\n  hint: move the processes of this container to a group below its root" } else { "" };
    handed
        .with_context(|| format!("failed to hand {controller} on to groups below `{}`{hint}", root.display()))
}

/// Whether a group below limits something by a controller: one of its settings is not as the kernel makes it.
fn limits(root: &Path, controller: &str) -> anyhow::Result<bool> {
    for group in fs::read_dir(root)?.flatten().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(group.path()).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let ours = name.strip_prefix(controller).is_some_and(|rest| rest.starts_with('.'));
            // A group that goes meanwhile limits nothing.
            if ours && is_set(&name, fs::read_to_string(file.path()).unwrap_or_default().trim()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_set(file: &str, value: &str) -> bool {
    let setting = file
        .rsplit('.')
        .next()
        .is_some_and(|last| ["cpus", "mems", "max", "high", "low", "min", "weight"].contains(&last));
    let made = ["", "max", "0", "0.00", "100", "default 100", "max 100000"];
    setting && !made.contains(&value)
}

fn words(group: &Path, file: &str) -> anyhow::Result<Vec<String>> {
    let path = group.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The kernel makes these files; one that is not there is not to be made.
fn write(group: &Path, file: &str, value: &str) -> io::Result<()> {
    File::options().write(true).open(group.join(file))?.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn handed(root: &Path) -> String {
        fs::read_to_string(root.join(HANDS_ON)).unwrap()
    }

    #[test]
    fn the_root_hands_on_what_is_wanted_and_there_and_not_handed_on_yet() {
        let root = tree(&[(HAS, "cpuset cpu io memory pids rdma misc\n"), (HANDS_ON, "memory pids\n")]);
        assert_eq!(lacking(root.path()).unwrap(), ["cpuset", "cpu", "io"]);
    }

    #[test]
    fn a_group_without_what_kubelet_needs_is_refused_before_anything_is_made() {
        let root = tree(&[(HAS, "cpu io pids\n"), (HANDS_ON, "\n")]);
        let error = Group::of("rig", root.path()).create().unwrap_err().to_string();
        let expected =
            format!("the control groups at `{}` have no cpuset, memory, which", root.path().display());
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!((handed(root.path()).as_str(), root.path().join("rig").exists()), ("\n", false));
    }

    #[test]
    fn a_controller_that_limits_another_group_stays() {
        let rest =
            [("a.slice/cpuset.cpus", "\n"), ("a.slice/memory.max", "max\n"), ("a.slice/pids.current", "7\n")];
        let root = tree(&[&[(HANDS_ON, "as it was")], &rest[..]].concat());
        take_back(root.path(), "pids").unwrap();
        assert!(handed(root.path()).starts_with("-pids"), "{}", handed(root.path()));
        let root = tree(&[&[(HANDS_ON, "as it was"), ("b.slice/cpuset.cpus", "0-1\n")], &rest[..]].concat());
        take_back(root.path(), "cpuset").unwrap();
        assert_eq!(handed(root.path()), "as it was");
    }
}
