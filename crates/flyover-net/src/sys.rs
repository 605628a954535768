//! The system calls no crate wraps safely.
//!
//! Invariant: this is the only unsafe module of the crate.
#![expect(unsafe_code, reason = "these calls have no safe wrapper")]

use std::io;

use netlink_sys::Socket;
use tokio::io::unix::AsyncFd;

/// Watches the socket for readiness with the current tokio runtime.
pub(crate) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor, always answers with the same one, and moves into the `AsyncFd`,
    // which gives out shared references only, so it is closed after it was deregistered.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}
