//! Makes a directory of a tree.
//!
//! Invariant: the directory is new, and no link leads out of it. A tree may come from anybody.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use flyover_core::HostPath;

use super::{HostTree, Node, Recorded};
use crate::root::HostRoot;

/// Why a tree could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The directory holds something.
    #[error("`{0}` is not an empty directory")]
    NotEmpty(PathBuf),
    /// Something is below a file or a link.
    #[error("the host tree has `{below}` below `{above}`, which is no directory")]
    NoDirectory {
        /// What is below.
        below: HostPath,
        /// What is no directory.
        above: HostPath,
    },
    /// The file system refused.
    #[error("failed to make `{path}` of the host tree")]
    Make {
        /// What was to be made.
        path: HostPath,
        /// What the system said.
        source: io::Error,
    },
}

impl HostTree {
    /// Unpacks into an empty directory and gives the host that is there now: its files can be read, its recorded
    /// commands answer, and everything else is refused.
    pub fn unpack(&self, dir: &Path) -> Result<HostRoot, UnpackError> {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(UnpackError::NotEmpty(dir.to_owned()));
        }
        let mut made = None;
        for (path, node) in self.nodes() {
            // Paths are sorted, so most have the parent of the one before.
            if path.parent() != made {
                self.check_above(path)?;
                made = path.parent();
            }
            make(dir, path, node).map_err(|source| UnpackError::Make { path: path.clone(), source })?;
        }
        Ok(HostRoot::new(dir, Arc::new(Recorded::of(self))))
    }

    fn check_above(&self, path: &HostPath) -> Result<(), UnpackError> {
        let above = std::iter::successors(path.parent(), HostPath::parent);
        let wrong = above.into_iter().find(|above| self.get(above).is_some_and(|node| *node != Node::Dir));
        wrong.map_or(Ok(()), |above| Err(UnpackError::NoDirectory { below: path.clone(), above }))
    }
}

fn make(dir: &Path, path: &HostPath, node: &Node) -> io::Result<()> {
    let real = dir.join(path.as_str().trim_start_matches('/'));
    if let Some(parent) = real.parent() {
        fs::create_dir_all(parent)?;
    }
    match node {
        Node::Dir => fs::create_dir_all(&real),
        Node::File { mode, content } => {
            fs::write(&real, &content.0)?;
            fs::set_permissions(&real, fs::Permissions::from_mode(mode.bits()))
        }
        Node::Link(target) => symlink(within(path, target), &real),
    }
}

/// The target of a link as it is, unless it would lead out of the directory: then as it would be with the directory
/// as the root of all paths.
fn within(path: &HostPath, target: &str) -> PathBuf {
    let depth = path.as_path().components().count().saturating_sub(2);
    let mut inside: Vec<&str> = Vec::new();
    let mut left = if target.starts_with('/') { 0 } else { depth };
    // What follows a name may lead anywhere, for the name may be a link.
    let mut climbs = target.starts_with('/');
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if inside.pop().is_some() => climbs = true,
            Component::ParentDir => match left.checked_sub(1) {
                Some(less) => left = less,
                None => climbs = true,
            },
            Component::Normal(name) => inside.extend(name.to_str()),
            _ => {}
        }
    }
    if !climbs {
        return target.into();
    }
    let inwards = format!("{}{}", "../".repeat(depth - left.min(depth)), inside.join("/"));
    PathBuf::from(if inwards.is_empty() { "." } else { &inwards })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(path: &str, target: &str) -> String {
        within(&path.parse().unwrap(), target).display().to_string()
    }

    #[test]
    fn a_link_that_stays_inside_stands_as_it_is() {
        assert_eq!(
            leads("/sys/class/net/eth0", "../../devices/virtual/net/eth0"),
            "../../devices/virtual/net/eth0"
        );
    }

    #[test]
    fn no_way_up_follows_a_name_that_may_be_a_link() {
        assert_eq!(leads("/a", "b/../c"), "c");
        assert_eq!(leads("/proc/cmdline", "../a/b/c/up/../../../etc/shadow"), "../a/etc/shadow");
    }

    #[test]
    fn a_link_from_the_root_or_above_it_is_turned_inwards() {
        assert_eq!(leads("/etc/os-release", "/usr/lib/os-release"), "../usr/lib/os-release");
        assert_eq!(leads("/etc/os-release", "../../../etc/shadow"), "../etc/shadow");
        assert_eq!(leads("/etc/x/y", "/"), "../../");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let tree: HostTree = "l /a /tmp\nf 0644 /a/x \"\"\n".parse().unwrap();
        let error = tree.unpack(dir.path()).err().unwrap();
        assert_eq!(error.to_string(), "the host tree has `/a/x` below `/a`, which is no directory");
    }

    #[test]
    fn a_directory_that_holds_something_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x"), "").unwrap();
        assert!(matches!(HostTree::default().unpack(dir.path()), Err(UnpackError::NotEmpty(_))));
    }
}
