//! The system calls no crate wraps safely.
//!
//! Invariant: this is the only unsafe module of the crate.
#![expect(unsafe_code, reason = "these calls have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_sys::Socket;
use tokio::io::unix::AsyncFd;

/// Watches the socket for readiness with the current tokio runtime.
pub(crate) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor, always answers with the same one, and moves into the `AsyncFd`,
    // which gives out shared references only, so it is closed after it was deregistered.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

/// Asks a socket; what the option wants is in the buffer, and so is the answer.
pub(crate) fn getsockopt(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut len = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is borrowed for the call, and the kernel writes at most `len` bytes to the buffer.
    match unsafe { libc::getsockopt(fd, level, option, buffer.as_mut_ptr().cast(), &raw mut len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets a BPF program decide what the socket is given.
pub(crate) fn attach_filter(socket: &impl AsFd, program: BorrowedFd<'_>) -> io::Result<()> {
    let (fd, program) = (socket.as_fd().as_raw_fd(), program.as_raw_fd());
    let len = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
    // SAFETY: both descriptors are borrowed for the call, and the kernel reads `len` bytes of one integer.
    let answer = unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, (&raw const program).cast(), len)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The `query` member of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Query {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// `BPF_PROG_QUERY`.
const PROG_QUERY: libc::c_long = 16;
/// `BPF_MPROG_MAX` is 64.
const MOST_PROGRAMS: usize = 64;

/// The numbers of the BPF programs attached to a device.
pub(crate) fn bpf_prog_query(ifindex: u32, attach_type: u32) -> io::Result<Vec<u32>> {
    let mut ids = vec![0_u32; MOST_PROGRAMS];
    let count = u32::try_from(ids.len()).map_err(io::Error::other)?;
    let prog_ids = u64::try_from(ids.as_mut_ptr().expose_provenance()).map_err(io::Error::other)?;
    let mut query = Query { target_ifindex: ifindex, attach_type, prog_ids, count, ..Query::default() };
    // SAFETY: `query` is laid out as the kernel's, lives for the call, and its length is given. The kernel writes at
    // most `count` numbers to `prog_ids`, which has room for as many and lives for the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, PROG_QUERY, &raw mut query, size_of::<Query>()) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    ids.truncate(usize::try_from(query.count).map_err(io::Error::other)?);
    Ok(ids)
}

/// What tests need to have a program to find.
#[cfg(test)]
pub(crate) mod testing {
    use std::os::fd::{FromRawFd, OwnedFd};

    use super::*;

    fn bpf(command: libc::c_long, attr: &mut [u8]) -> io::Result<i32> {
        // SAFETY: `attr` holds a command's attributes, lives for the call, and its length is given.
        match unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), attr.len()) } {
            answer if answer < 0 => Err(io::Error::last_os_error()),
            answer => i32::try_from(answer).map_err(io::Error::other),
        }
    }

    /// A classifier that does nothing: `r0 = -1; exit`.
    pub(crate) fn load_nothing() -> io::Result<OwnedFd> {
        let code: [u8; 16] = [0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0];
        let address = |bytes: &[u8]| bytes.as_ptr().expose_provenance().to_ne_bytes();
        let attr = [&[3, 0, 0, 0, 2, 0, 0, 0], &address(&code)[..], &address(b"GPL\0"), &[0; 24]];
        let fd = bpf(5, &mut attr.concat())?;
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    pub(crate) fn attach(program: &OwnedFd, ifindex: u32, attach_type: u32) -> io::Result<i32> {
        change(8, program, ifindex, attach_type)
    }

    pub(crate) fn detach(program: &OwnedFd, ifindex: u32, attach_type: u32) -> io::Result<i32> {
        change(9, program, ifindex, attach_type)
    }

    fn change(command: libc::c_long, program: &OwnedFd, ifindex: u32, attach_type: u32) -> io::Result<i32> {
        let words = [ifindex, program.as_raw_fd().cast_unsigned(), attach_type, 0, 0, 0, 0, 0];
        bpf(command, &mut words.map(u32::to_ne_bytes).concat())
    }
}
