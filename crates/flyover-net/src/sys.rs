//! The system calls no crate wraps safely.
//!
//! Invariant: this is the only unsafe module of the crate.
#![expect(unsafe_code, reason = "these calls have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

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
