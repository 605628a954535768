//! What stands in an image: paths, each with its mode, its owner and what it is.
//!
//! Invariant: they are ordered by path and every folder above an entry is there, so unpacking in order never needs what
//! comes later.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::BundleError;
use crate::error::failed;

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What a file on disk holds when the image is written.
    Disk(PathBuf),
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File(Content),
    /// A symbolic link to that.
    Link(PathBuf),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its permissions.
    pub mode: u32,
    /// Its owner: user and group.
    pub owner: (u32, u32),
}

/// All entries of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Entry>);

impl Files {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder of root's.
    pub fn folder(self, path: &str, mode: u32) -> Result<Self, BundleError> {
        self.with(path, Entry { kind: Kind::Folder, mode, owner: (0, 0) })
    }

    /// Adds a file of root's.
    pub fn file(self, path: &str, mode: u32, content: Content) -> Result<Self, BundleError> {
        self.with(path, Entry { kind: Kind::File(content), mode, owner: (0, 0) })
    }

    /// Adds a link.
    pub fn link(self, path: &str, target: impl Into<PathBuf>) -> Result<Self, BundleError> {
        self.with(path, Entry { kind: Kind::Link(target.into()), mode: 0o777, owner: (0, 0) })
    }

    /// Adds an entry, or replaces the one there; folders above it that are missing are root's.
    pub fn with(mut self, path: &str, entry: Entry) -> Result<Self, BundleError> {
        let inner = within(path)?;
        for (end, _) in inner.match_indices('/') {
            let folder = Entry { kind: Kind::Folder, mode: 0o755, owner: (0, 0) };
            self.0.entry(inner[..end].to_owned()).or_insert(folder);
        }
        self.0.insert(inner.to_owned(), entry);
        Ok(self)
    }

    /// Adds everything below a folder on disk, with its modes and owners. Two names of one file become two files.
    pub fn tree(mut self, root: &Path) -> Result<Self, BundleError> {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for item in fs::read_dir(&folder).map_err(failed("list", &folder))? {
                let path = item.map_err(failed("list", &folder))?.path();
                let (entry, inner) = (on_disk(&path)?, path.strip_prefix(root));
                let inner = inner.expect("it was found below").to_str();
                let inner = inner.ok_or_else(|| BundleError::Kind { path: path.clone() })?;
                self = self.with(&format!("/{inner}"), entry)?;
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
        Ok(self)
    }

    /// Path and entry, ordered by path; paths do not begin with `/`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }
}

/// The path as archives have it.
fn within(path: &str) -> Result<&str, BundleError> {
    let inner = path.strip_prefix('/').filter(|p| {
        !p.is_empty() && p.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    });
    inner.ok_or_else(|| BundleError::Path { path: path.to_owned() })
}

fn on_disk(path: &Path) -> Result<Entry, BundleError> {
    let meta = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    let kind = if meta.is_dir() {
        Kind::Folder
    } else if meta.is_file() {
        Kind::File(Content::Disk(path.to_owned()))
    } else if meta.is_symlink() {
        Kind::Link(fs::read_link(path).map_err(failed("read", path))?)
    } else {
        return Err(BundleError::Kind { path: path.to_owned() });
    };
    Ok(Entry { kind, mode: meta.mode() & 0o7777, owner: (meta.uid(), meta.gid()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_above_an_entry_are_there_before_it() {
        let files = Files::new().link("/usr/bin/sh", "busybox").unwrap();
        let files = files.file("/etc/passwd", 0o644, Content::Bytes(vec![])).unwrap();
        let paths: Vec<&str> = files.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["etc", "etc/passwd", "usr", "usr/bin", "usr/bin/sh"]);
    }

    #[test]
    fn a_path_that_could_leave_the_image_is_refused() {
        for path in ["", "/", "bin", "/a/../b", "/a//b", "/./a", "/a/"] {
            let error = Files::new().folder(path, 0o755).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{path}` is no path within an image: it has to begin with `/` and may not climb")
            );
        }
    }

    #[test]
    fn a_tree_on_disk_keeps_modes_and_links() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("bin")).unwrap();
        fs::write(root.path().join("bin/tool"), "x").unwrap();
        std::os::unix::fs::symlink("tool", root.path().join("bin/alias")).unwrap();
        let files = Files::new().tree(root.path()).unwrap();
        let kinds: Vec<(&str, &Kind)> = files.iter().map(|(path, entry)| (path, &entry.kind)).collect();
        let tool = Kind::File(Content::Disk(root.path().join("bin/tool")));
        assert_eq!(
            kinds,
            [("bin", &Kind::Folder), ("bin/alias", &Kind::Link("tool".into())), ("bin/tool", &tool)]
        );
    }
}
