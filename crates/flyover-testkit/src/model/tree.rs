//! The whole of a host's tree, to be compared and copied.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// One thing in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory and its permissions.
    Directory(u32),
    /// A file: permissions and content.
    File(u32, String),
    /// A symbolic link: what it names.
    Link(PathBuf),
}

/// Everything below a root but our own state, by path.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Node>);

/// Our own state.
const OURS: [&str; 2] = ["var/lib/flyover", "run/flyover"];

impl Tree {
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut nodes = BTreeMap::new();
        walk(root, Path::new(""), &mut nodes)?;
        Ok(Self(nodes))
    }

    /// What is at a path, if anything is.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.0.get(Path::new(path.trim_start_matches('/')))
    }

    /// Where two trees differ, and how.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths = self.0.keys().chain(other.0.keys().filter(|path| !self.0.contains_key(*path)));
        let differs = |path: &&PathBuf| self.0.get(*path) != other.0.get(*path);
        paths
            .filter(differs)
            .map(|path| format!("{}: {:?} / {:?}", path.display(), self.0.get(path), other.0.get(path)))
            .collect()
    }
}

fn walk(root: &Path, below: &Path, nodes: &mut BTreeMap<PathBuf, Node>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let path = below.join(entry?.file_name());
        if OURS.iter().any(|ours| path == Path::new(ours)) {
            continue;
        }
        let real = root.join(&path);
        let meta = fs::symlink_metadata(&real)?;
        let node = if meta.is_symlink() {
            Node::Link(fs::read_link(&real)?)
        } else if meta.is_dir() {
            walk(root, &path, nodes)?;
            Node::Directory(meta.mode() & 0o7777)
        } else {
            Node::File(meta.mode() & 0o7777, String::from_utf8_lossy(&fs::read(&real)?).into_owned())
        };
        nodes.insert(path, node);
    }
    Ok(())
}

/// Copies what is below `from`, permissions and links too.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            copy(&source, &target)?;
            fs::set_permissions(&target, fs::metadata(&source)?.permissions())?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
