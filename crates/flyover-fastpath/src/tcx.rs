//! tcx links: programs on a device's ingress and egress, pinned so that they outlive the process.
//!
//! Ours come last in their chain: what others attached there judges the packet first. libbpf-rs offers no tcx, so
//! this module calls libbpf itself.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libbpf_sys as sys;

/// Where on a device a program sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Packets the device received.
    Ingress,
    /// Packets it is about to send.
    Egress,
}

impl Side {
    fn attach_type(self) -> sys::bpf_attach_type {
        match self {
            Self::Ingress => sys::BPF_TCX_INGRESS,
            Self::Egress => sys::BPF_TCX_EGRESS,
        }
    }
}

pub(crate) fn target(ifindex: u32) -> io::Result<i32> {
    i32::try_from(ifindex).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

pub(crate) fn checked(rc: i32) -> io::Result<i32> {
    if rc < 0 { Err(io::Error::from_raw_os_error(-rc)) } else { Ok(rc) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Attaches a program at the end of the chain.
pub(crate) fn create(program: BorrowedFd<'_>, ifindex: u32, side: Side) -> io::Result<OwnedFd> {
    // SAFETY: both descriptors are plain numbers to the call, and null options are allowed.
    let rc = unsafe {
        sys::bpf_link_create(program.as_raw_fd(), target(ifindex)?, side.attach_type(), std::ptr::null())
    };
    // SAFETY: a result that is no error is a descriptor that nobody else owns.
    checked(rc).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts another program into a link, in one step.
pub(crate) fn update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are borrowed for the call, and null options are allowed.
    checked(unsafe { sys::bpf_link_update(link.as_raw_fd(), program.as_raw_fd(), std::ptr::null()) })
        .map(drop)
}

/// Gives a link, map or program a name in the BPF file system.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the string is zero-terminated and outlives the call.
    checked(unsafe { sys::bpf_obj_pin(object.as_raw_fd(), path.as_ptr()) }).map(drop)
}

/// Opens what is pinned there.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    // SAFETY: the string is zero-terminated and outlives the call.
    let rc = unsafe { sys::bpf_obj_get(path.as_ptr()) };
    // SAFETY: a result that is no error is a descriptor that nobody else owns.
    checked(rc).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Detaches what is pinned there, at once, and removes the pin. To remove the pin alone detaches some time later,
/// from a work queue: until then packets are still bypassed, and the program cannot be attached again.
pub(crate) fn take_away(path: &Path) -> io::Result<()> {
    match open(path) {
        // SAFETY: the descriptor is borrowed for the call.
        Ok(link) => checked(unsafe { sys::bpf_link_detach(link.as_raw_fd()) }).map(drop)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    }
    std::fs::remove_file(path)
}

/// Ids of the programs on a device, in the order they run. `Unsupported` where the kernel knows no tcx.
pub(crate) fn query(ifindex: u32, side: Side) -> io::Result<Vec<u32>> {
    let mut ids = [0u32; 64];
    let mut opts = sys::bpf_prog_query_opts {
        sz: size_of::<sys::bpf_prog_query_opts>() as sys::size_t,
        ..Default::default()
    };
    opts.prog_ids = ids.as_mut_ptr();
    opts.__bindgen_anon_1.count = 64;
    // SAFETY: `prog_ids` points to `count` words that outlive the call.
    let rc = unsafe { sys::bpf_prog_query_opts(target(ifindex)?, side.attach_type(), &raw mut opts) };
    checked(rc).map_err(|e| {
        if e.raw_os_error() == Some(libc::EINVAL) { io::ErrorKind::Unsupported.into() } else { e }
    })?;
    // SAFETY: the kernel wrote the count, whichever of the two names of the field is used.
    let count = unsafe { opts.__bindgen_anon_1.count } as usize;
    Ok(ids[..count.min(64)].to_vec())
}
