//! The memory that is shared with the switch: a file without a name, mapped on both sides.
//!
//! Invariants: its size is sealed, so no side can take pages from under the other; every access is volatile or atomic and
//! within its bounds, since the other side writes as it likes.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use vm_memory::bitmap::BS;
use vm_memory::{AtomicAccess, Bytes, FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use crate::error::VhostError;

const INSIDE: &str = "the rings' layout lies within the memory";

/// Shared memory.
#[derive(Debug)]
pub(crate) struct Memory {
    region: MmapRegion<()>,
    file: File,
}

impl Memory {
    /// New memory, all zero.
    pub(crate) fn new(bytes: usize) -> Result<Self, VhostError> {
        let failed = |error: &dyn std::fmt::Display| VhostError::Memory { bytes, reason: error.to_string() };
        let file = memfd_create(c"flyover-vhost", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING);
        let file = File::from(file.map_err(|e| failed(&e))?);
        file.set_len(bytes as u64).map_err(|e| failed(&e))?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|e| failed(&e))?;
        let mapped = file.try_clone().map_err(|e| failed(&e))?;
        let region = MmapRegion::from_file(FileOffset::new(mapped, 0), bytes).map_err(|e| failed(&e))?;
        Ok(Self { region, file })
    }

    /// How large it is.
    pub(crate) fn size(&self) -> usize {
        self.region.size()
    }

    /// What the other side maps.
    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub(crate) fn load<T: AtomicAccess>(&self, at: usize, order: Ordering) -> T {
        self.slice().load(at, order).expect(INSIDE)
    }

    pub(crate) fn store<T: AtomicAccess>(&self, at: usize, value: T, order: Ordering) {
        self.slice().store(value, at, order).expect(INSIDE);
    }

    pub(crate) fn read(&self, at: usize, bytes: &mut [u8]) {
        self.slice().read_slice(bytes, at).expect(INSIDE);
    }

    pub(crate) fn write(&self, at: usize, bytes: &[u8]) {
        self.slice().write_slice(bytes, at).expect(INSIDE);
    }

    fn slice(&self) -> VolatileSlice<'_, BS<'_, ()>> {
        self.region.as_volatile_slice()
    }
}
