//! Notices that the other end is gone while we wait for its messages.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use crate::place::Place;

/// nix does not name this flag.
const RDHUP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// Watches a control connection on a thread of its own, and calls `wake` when it ends.
pub(super) fn until_gone(control: Arc<Socket>, wake: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        // With a descriptor table of its own it costs the measuring thread nothing; without, a little.
        let _settled = Place::here().settle();
        let watched = std::os::fd::AsFd::as_fd(&*control);
        while let Err(nix::errno::Errno::EINTR) = poll(&mut [PollFd::new(watched, RDHUP)], PollTimeout::NONE)
        {
        }
        wake();
    })
}
