//! Whether a file can be written: asked before anything changes, so that a read-only or full disk stops nothing
//! in its middle.

use flyover_core::HostPath;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};

use super::refused;
use crate::root::{HostError, HostRoot};

/// What must stay free besides what is written: journals grow, generators write their output twice.
const RESERVE: u64 = 1 << 20;

/// Whether `bytes` more can be written to files in a directory, or in the nearest one above it that is there.
pub fn has_room(host: &HostRoot, directory: &HostPath, bytes: u64) -> Result<(), HostError> {
    let mut there = directory.clone();
    while !host.exists(&there) {
        let Some(parent) = there.parent() else { break };
        there = parent;
    }
    let real = host.path(&there);
    if !real.is_dir() {
        return Err(refused(
            format!("`{directory}` cannot be made: `{there}` is not a directory"),
            "move away what is there",
        ));
    }
    let space = statvfs(&real).map_err(|e| HostError::File {
        verb: "ask for the free space of",
        path: there.clone(),
        source: e.into(),
    })?;
    if space.flags().contains(FsFlags::ST_RDONLY) || access(&real, AccessFlags::W_OK).is_err() {
        return Err(refused(
            format!("`{there}` cannot be written to"),
            "mount its file system read-write; an image that stays read-only is changed by `flyover node emit`",
        ));
    }
    let free = space.blocks_available().saturating_mul(space.fragment_size());
    // A tmpfs without a bound says it has no blocks at all.
    if space.blocks() > 0 && free < bytes + RESERVE {
        return Err(refused(
            format!(
                "the disk of `{there}` has {} KiB free, {} KiB are needed",
                free >> 10,
                (bytes + RESERVE) >> 10
            ),
            "make room there",
        ));
    }
    Ok(())
}
