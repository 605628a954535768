//! One process at a time for one attachment, and none is kept out by a dead one.
//!
//! Why ranges of one file: a file for each attachment would be one more thing to be left behind. The kernel drops a range
//! with the last descriptor that has it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::{CniError, Code};
use crate::names::AttachmentId;

/// The C library has these as another type of number than its structure.
#[expect(clippy::cast_possible_truncation, reason = "they are 1 and 0")]
const WRITING: libc::c_short = libc::F_WRLCK as libc::c_short;
const FROM_START: libc::c_short = 0;

/// The file, in the directory of states.
pub const LOCKS: &str = "lock";

/// How often to look whether it is free.
const LOOK: Duration = Duration::from_millis(2);

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// For a child that works on the attachment: while it has this, nobody else gets the lock, even if we are killed.
    pub fn lend(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Waits until nobody else works on the attachment, but not for ever: a plugin for addresses that hangs has the lock as long
    /// as it lives, and the runtime asks again.
    pub(super) fn wait(directory: &Path, id: &AttachmentId, limit: Duration) -> Result<Self, CniError> {
        let path = directory.join(LOCKS);
        let failed = |e: io::Error| {
            CniError::new(Code::Io, format!("failed to lock `{}`", path.display())).because(&e)
        };
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .clone();
        let file = options.open(&path).map_err(failed)?;
        let range =
            libc::flock { l_type: WRITING, l_whence: FROM_START, l_start: place(id), l_len: 1, l_pid: 0 };
        let end = Instant::now() + limit;
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&range)) {
                Ok(_) => return Ok(Self { file }),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::EACCES) if Instant::now() < end => thread::sleep(LOOK),
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    let msg = format!("somebody else works on attachment {id} for longer than {limit:?}");
                    return Err(CniError::new(Code::TryAgain, msg)
                        .details("hint: a plugin for addresses that hangs holds it; look for its process"));
                }
                Err(e) => return Err(failed(e.into())),
            }
        }
    }
}

/// A byte of the file: two attachments that share one wait for each other, and that is all.
fn place(id: &AttachmentId) -> i64 {
    i64::from_str_radix(&id.as_str()[..15], 16).expect("fifteen hexadecimal digits are less than 2^63")
}
