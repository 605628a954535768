//! A tree as a directory, for as long as a test needs it.
//!
//! A host is a thousand small files; they go to memory where there is a file system in it.

use std::path::Path;

use flyover_host::root::HostRoot;
use flyover_host::tree::HostTree;
use tempfile::TempDir;

/// A file system in memory that every Linux with a shared memory has.
const MEMORY: &str = "/dev/shm";

/// A host that is a directory, which goes when this does.
pub struct Unpacked {
    /// The host: its files can be read and replaced, its recorded commands answer.
    pub host: HostRoot,
    dir: TempDir,
}

impl Unpacked {
    /// Unpacks a tree.
    ///
    /// # Errors
    ///
    /// Where there is no room, or the tree is none that could be a directory.
    pub fn of(tree: &HostTree) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir())?;
        Ok(Self { host: tree.unpack(dir.path())?, dir })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}
