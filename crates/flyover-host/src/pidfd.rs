//! A process, held by a descriptor instead of a number that may be another's by now.
//!
//! Why: the kernel tells at once when the process ends, so nobody has to ask again and again, and a signal never meets a
//! stranger.

#![expect(unsafe_code, reason = "neither call has a safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A process.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// The process that has this number now; none if no process has.
    pub fn open(pid: u32) -> io::Result<Option<Self>> {
        // SAFETY: the call takes two numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        match i32::try_from(fd) {
            Ok(fd) if fd >= 0 => {
                // SAFETY: the kernel has just made this descriptor for us.
                Ok(Some(Self(unsafe { OwnedFd::from_raw_fd(fd) })))
            }
            _ => unless_gone(Errno::last()).map(|()| None),
        }
    }

    /// Kills it. One that has ended already is no error.
    pub fn kill(&self) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        let nothing = std::ptr::null::<u8>();
        // SAFETY: the descriptor is open, and a null pointer asks for the information that kill(2) sends.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, nothing, 0) };
        if answer == 0 { Ok(()) } else { unless_gone(Errno::last()) }
    }

    /// Waits until it has ended, also where nobody has asked yet how; says whether it did in time.
    pub fn ends_within(&self, limit: Duration) -> io::Result<bool> {
        let end = Instant::now() + limit;
        loop {
            // A millisecond more than is left: the rest of one is not to be waited for in circles.
            let left = end.saturating_duration_since(Instant::now());
            let wait = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            let mut ended = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ended, wait) {
                Ok(0) if Instant::now() < end => {}
                Ok(count) => return Ok(count > 0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn unless_gone(error: Errno) -> io::Result<()> {
    if error == Errno::ESRCH { Ok(()) } else { Err(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::Cmd;

    #[test]
    fn the_end_of_a_process_is_seen_and_a_second_kill_is_no_error() {
        let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
        let mut child = Cmd::new("sleep").args(["60"]).daemon(null).unwrap();
        let process = Pidfd::open(child.id()).unwrap().unwrap();
        assert!(!process.ends_within(Duration::from_millis(20)).unwrap());
        process.kill().unwrap();
        assert!(process.ends_within(Duration::from_secs(30)).unwrap());
        child.wait().unwrap();
        process.kill().unwrap();
    }
}
