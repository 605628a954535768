//! clsact filters: programs on a device's ingress and egress where the kernel knows no tcx (before 6.6).
//!
//! Invariants: a filter is ours only if it has our priority and handle and runs a program of our name; the qdisc that
//! holds filters goes only if we made it and nothing is left in it. libbpf-rs takes a qdisc that was there before for
//! one it made, so this module calls libbpf itself.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_sys as sys;

use crate::tcx::{Side, checked, target};

/// Priority and handle of our filters: behind what people and CNIs number by hand.
const PRIORITY: u32 = 0xf10;
const HANDLE: u32 = 0xf10;

fn hook(ifindex: u32, point: sys::bpf_tc_attach_point) -> io::Result<sys::bpf_tc_hook> {
    Ok(sys::bpf_tc_hook {
        sz: size_of::<sys::bpf_tc_hook>() as sys::size_t,
        ifindex: target(ifindex)?,
        attach_point: point,
        ..Default::default()
    })
}

fn point(side: Side) -> sys::bpf_tc_attach_point {
    match side {
        Side::Ingress => sys::BPF_TC_INGRESS,
        Side::Egress => sys::BPF_TC_EGRESS,
    }
}

fn ours() -> sys::bpf_tc_opts {
    sys::bpf_tc_opts {
        sz: size_of::<sys::bpf_tc_opts>() as sys::size_t,
        handle: HANDLE,
        priority: PRIORITY,
        ..Default::default()
    }
}

/// Makes the device's clsact qdisc; tells whether there was none.
pub(crate) fn make_qdisc(ifindex: u32) -> io::Result<bool> {
    let mut hook = hook(ifindex, sys::BPF_TC_INGRESS | sys::BPF_TC_EGRESS)?;
    // SAFETY: the hook is whole, says its size, and outlives the call.
    match checked(unsafe { sys::bpf_tc_hook_create(&raw mut hook) }) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|_| true),
    }
}

/// Takes the device's clsact qdisc away, with all it holds.
pub(crate) fn remove_qdisc(ifindex: u32) -> io::Result<()> {
    let mut hook = hook(ifindex, sys::BPF_TC_INGRESS | sys::BPF_TC_EGRESS)?;
    // SAFETY: the hook is whole, says its size, and outlives the call.
    checked(unsafe { sys::bpf_tc_hook_destroy(&raw mut hook) }).map(drop)
}

/// Puts a program on the device: in place of our earlier one in one step, or where nothing has our number.
pub(crate) fn attach(program: BorrowedFd<'_>, ifindex: u32, side: Side, replace: bool) -> io::Result<()> {
    let hook = hook(ifindex, point(side))?;
    let mut opts = ours();
    opts.prog_fd = program.as_raw_fd();
    opts.flags = if replace { sys::BPF_TC_F_REPLACE } else { 0 };
    // SAFETY: both structures are whole, say their size, and outlive the call.
    checked(unsafe { sys::bpf_tc_attach(&raw const hook, &raw mut opts) }).map(drop)
}

/// Name of the program that has our priority and handle there, if one has.
pub(crate) fn holder(ifindex: u32, side: Side) -> io::Result<Option<String>> {
    let hook = hook(ifindex, point(side))?;
    let mut opts = ours();
    // SAFETY: both structures are whole, say their size, and outlive the call.
    match checked(unsafe { sys::bpf_tc_query(&raw const hook, &raw mut opts) }) {
        Ok(_) => program_name(opts.prog_id).map(Some),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Takes away what has our priority and handle there.
pub(crate) fn detach(ifindex: u32, side: Side) -> io::Result<()> {
    let hook = hook(ifindex, point(side))?;
    let opts = ours();
    // SAFETY: both structures are whole, say their size, and outlive the call.
    checked(unsafe { sys::bpf_tc_detach(&raw const hook, &raw const opts) }).map(drop)
}

/// Whether the kernel said that there is no such device, qdisc or filter.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL))
}

fn program_name(id: u32) -> io::Result<String> {
    // SAFETY: the call takes a number only.
    let fd = checked(unsafe { sys::bpf_prog_get_fd_by_id(id) })?;
    // SAFETY: a result that is no error is a descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut info = sys::bpf_prog_info::default();
    let mut size = u32::try_from(size_of_val(&info)).expect("the structure is small");
    // SAFETY: `info` has room for `size` bytes, is nought, and outlives the call.
    checked(unsafe { sys::bpf_obj_get_info_by_fd(fd.as_raw_fd(), (&raw mut info).cast(), &raw mut size) })?;
    // SAFETY: the kernel ends the name with a nought within the field.
    let name = unsafe { CStr::from_ptr(info.name.as_ptr()) };
    Ok(name.to_string_lossy().into_owned())
}
