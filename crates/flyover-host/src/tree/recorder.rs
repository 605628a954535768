//! Listens to what is read of a host, and keeps it as a tree.
//!
//! Invariant: a file is kept where it really is, and each link on the way to it as a link, so that the tree is one.
//! Below `/proc` links depend on who reads (`/proc/net`, `/proc/self`), so there paths stand as they were read.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flyover_core::{Bytes, FileMode, HostPath};

use super::{HostTree, Node};
use crate::cmd::CmdError;
use crate::root::{Outside, Sight};

/// As the kernel: a path of more links is a circle.
const MOST_LINKS: usize = 40;

/// An outside that remembers.
pub(super) struct Recorder {
    outside: Arc<dyn Outside>,
    tree: Mutex<HostTree>,
}

impl Recorder {
    /// Listens to what is read through another outside.
    pub(super) fn new(outside: Arc<dyn Outside>) -> Self {
        Self { outside, tree: Mutex::default() }
    }

    /// What was read until now.
    pub(super) fn taken(&self) -> HostTree {
        std::mem::take(&mut self.tree())
    }

    fn tree(&self) -> MutexGuard<'_, HostTree> {
        self.tree.lock().expect("no reader panics while it holds the tree")
    }
}

impl Outside for Recorder {
    fn write_attribute(&self, _root: &Path, _path: &HostPath, _value: &str) -> io::Result<()> {
        Err(io::Error::other("a host is not changed while it is captured"))
    }

    fn run(&self, root: &Path, program: &str, args: &[&str], limit: Duration) -> Result<String, CmdError> {
        let output = self.outside.run(root, program, args, limit)?;
        self.tree().put_answer([&[program], args].concat().join(" "), output.clone());
        Ok(output)
    }

    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        self.outside.resolve(name)
    }

    fn seen(&self, root: &Path, path: &HostPath, sight: Sight<'_>) {
        let tree = &mut *self.tree();
        let follow = !matches!(sight, Sight::Link(_));
        let Some(place) = settled(tree, root, path, follow) else { return };
        match sight {
            Sight::Presence => keep_presence(tree, root, &place),
            Sight::Text(bytes) => {
                let node = Node::File { mode: mode(root, &place), content: Bytes(bytes.to_vec()) };
                tree.put(place, node);
            }
            Sight::Names(names) => {
                let kept = names.iter().filter(|_| !is_of_processes(&place));
                kept.filter_map(|name| place.join(name).ok())
                    .for_each(|below| keep_presence(tree, root, &below));
                tree.nodes.entry(place).or_insert(Node::Dir);
            }
            Sight::Link(target) => {
                let private = is_of_processes(&place.parent().unwrap_or(place.clone()));
                if !private || target.to_string_lossy().contains("/dev/vfio/") {
                    tree.put(place, Node::Link(target.to_string_lossy().into_owned()));
                }
            }
        }
    }
}

/// `/proc` and `/proc/N/fd`: what runs on a host is nobody's business, but for what holds a device.
fn is_of_processes(path: &HostPath) -> bool {
    path.as_str() == "/proc" || path.as_str().starts_with("/proc/") && path.as_str().ends_with("/fd")
}

fn at(root: &Path, path: &HostPath) -> std::path::PathBuf {
    root.join(path.as_str().trim_start_matches('/'))
}

fn mode(root: &Path, path: &HostPath) -> FileMode {
    FileMode::of(fs::metadata(at(root, path)).map_or(0o444, |meta| meta.mode()))
}

/// That there is something; what it holds may become known later, or be known already.
fn keep_presence(tree: &mut HostTree, root: &Path, path: &HostPath) {
    let Ok(meta) = fs::symlink_metadata(at(root, path)) else { return };
    let node = if meta.is_dir() {
        Node::Dir
    } else if let Ok(target) = fs::read_link(at(root, path)) {
        Node::Link(target.to_string_lossy().into_owned())
    } else {
        Node::File { mode: FileMode::of(meta.mode()), content: Bytes::default() }
    };
    tree.nodes.entry(path.clone()).or_insert(node);
}

/// Where a path really is, with all links on the way kept.
fn settled(tree: &mut HostTree, root: &Path, path: &HostPath, follow_last: bool) -> Option<HostPath> {
    if path.as_str() == "/proc" || path.as_str().starts_with("/proc/") {
        return Some(path.clone());
    }
    let mut pending: Vec<String> = parts(path.as_path());
    let mut place = HostPath::fixed("/");
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == ".." {
            place = place.parent().unwrap_or(place);
            continue;
        }
        let here = place.join(&part).ok()?;
        let target = fs::read_link(at(root, &here)).ok().filter(|_| follow_last || !pending.is_empty());
        let Some(target) = target else {
            place = here;
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return None;
        }
        if target.is_absolute() {
            place = HostPath::fixed("/");
        }
        pending.extend(parts(&target));
        tree.put(here, Node::Link(target.to_string_lossy().into_owned()));
    }
    Some(place)
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<String> {
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::ParentDir => Some("..".to_owned()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}
