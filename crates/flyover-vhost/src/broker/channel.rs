//! One side's socket: whole messages in and out, with their files.
//!
//! Invariant: no byte of a message is read together with one of the next, since the kernel hands out the files of a message
//! with its first byte. Files that no message of ours may bring are closed.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

use super::message::{BadMessage, HEADER, Header, MOST_FILES, Message, Request, Way};

/// The most files that the kernel lets one message bring.
const SCM_MAX_FD: usize = 253;

/// A side that does not read for so long has stopped working.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file that came with a message.
pub(super) type Shared = Arc<File>;

/// Why a side is let go.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It closed its end.
    #[error("it went away")]
    Gone,
    /// The socket does not work.
    #[error("its socket failed: {0}")]
    Socket(Errno),
    /// It says what it may not.
    #[error("it sent {0}")]
    Message(#[from] BadMessage),
    /// A file is not what it is said to be.
    #[error("it sent {0:?} with a file that is not one for it")]
    File(Request),
}

/// One side.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    way: Way,
    header: Option<Header>,
    bytes: Vec<u8>,
    files: Vec<Shared>,
}

impl Channel {
    /// A side whose messages go that way.
    pub(super) fn new(stream: UnixStream, way: Way) -> std::io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, way, header: None, bytes: Vec::new(), files: Vec::new() })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Reads what is there, without waiting; gives the message if that completes one.
    pub(super) fn receive(&mut self) -> Result<Option<Message<Shared>>, Fault> {
        let whole = self.header.map_or(HEADER, Header::length);
        if self.bytes.len() < whole && !self.read(whole - self.bytes.len())? {
            return Ok(None);
        }
        if self.bytes.len() < whole {
            return Ok(None);
        }
        let header = match self.header {
            Some(header) => header,
            None => {
                let bytes = std::mem::take(&mut self.bytes);
                let header = bytes
                    .try_into()
                    .map_err(|_| Fault::Gone)
                    .and_then(|bytes| Header::read(bytes, self.way).map_err(Fault::from))?;
                self.header = Some(header);
                if header.length() > 0 {
                    return Ok(None);
                }
                header
            }
        };
        self.header = None;
        let (payload, files) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.files));
        let message = header.with(payload, files, self.way)?;
        check_files(&message)?;
        Ok(Some(message))
    }

    /// Sends a message with its files.
    pub(super) fn send(&self, message: &Message<Shared>) -> Result<(), Fault> {
        let bytes = message.bytes();
        let files: Vec<RawFd> = message.files.iter().map(|file| file.as_raw_fd()).collect();
        let mut sent = 0;
        while sent < bytes.len() {
            let rights = [ControlMessage::ScmRights(&files)];
            let rights: &[ControlMessage<'_>] = if sent == 0 && !files.is_empty() { &rights } else { &[] };
            let part = [IoSlice::new(&bytes[sent..])];
            match sendmsg::<UnixAddr>(self.stream.as_raw_fd(), &part, rights, MsgFlags::MSG_NOSIGNAL, None) {
                Ok(count) => sent += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Fault::Gone),
                Err(error) => return Err(Fault::Socket(error)),
            }
        }
        Ok(())
    }

    /// Reads at most so many bytes; says whether there were any.
    fn read(&mut self, most: usize) -> Result<bool, Fault> {
        let mut bytes = vec![0; most];
        // Room for all that a message can bring: the kernel makes those it cuts off too, and tells nobody their numbers.
        let mut space = cmsg_space!([RawFd; SCM_MAX_FD]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let read = recvmsg::<UnixAddr>(self.stream.as_raw_fd(), &mut parts, Some(&mut space), flags);
        let read = match read {
            Ok(read) => read,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(false),
            Err(Errno::ECONNRESET) => return Err(Fault::Gone),
            Err(error) => return Err(Fault::Socket(error)),
        };
        let (count, cut) = (read.bytes, read.flags.contains(MsgFlags::MSG_CTRUNC));
        let control = read.cmsgs().map_err(Fault::Socket)?;
        let descriptors = control.flat_map(|message| match message {
            ControlMessageOwned::ScmRights(descriptors) => descriptors,
            _ => Vec::new(),
        });
        self.files.extend(descriptors.map(own));
        if cut || self.files.len() > MOST_FILES {
            return Err(Fault::Socket(Errno::EMSGSIZE));
        }
        self.bytes.extend(&bytes[..count]);
        if count == 0 { Err(Fault::Gone) } else { Ok(true) }
    }
}

/// Takes a descriptor that the kernel has just made for us.
fn own(descriptor: RawFd) -> Shared {
    // SAFETY: `recvmsg` made the descriptor in this very call, and nobody else knows of it.
    #[expect(unsafe_code, reason = "descriptors come out of a control message as numbers")]
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Arc::new(File::from(owned))
}

/// Memory must be as long as it is said to be, or the switch would die of a bus error when it touches the end; and who
/// writes to an event must not be made to wait.
fn check_files(message: &Message<Shared>) -> Result<(), Fault> {
    let right = match message.request {
        Request::SetMemory => message.regions().iter().zip(&message.files).all(|(region, file)| {
            let end = region.offset.checked_add(region.size);
            file.metadata().is_ok_and(|meta| meta.is_file() && end.is_some_and(|end| end <= meta.len()))
        }),
        _ => message.files.iter().all(|file| is_event(file)),
    };
    if right { Ok(()) } else { Err(Fault::File(message.request)) }
}

fn is_event(file: &File) -> bool {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    link.is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]")
}

/// Wakes who waits for an event, unless the pod has filled it up, so that writing would wait.
pub(super) fn wake(event: &Shared) {
    let mut polled = [PollFd::new(event.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready == 1) {
        // To whoever has been told already, this tells nothing new.
        let _told = (&**event).write(&1_u64.to_ne_bytes());
    }
}

/// Reads an index from the pod's memory through its file: a pod that makes the file short harms only itself.
pub(super) fn index(file: &Shared, offset: u64) -> Option<u16> {
    let mut bytes = [0; 2];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(u16::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn files_that_are_too_many_are_closed() {
        let (pod, broker) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(broker, Way::Request).unwrap();
        let (mut witness, held) = UnixStream::pair().unwrap();
        let files = [held.as_raw_fd(); MOST_FILES + 1];
        let (part, rights) = ([IoSlice::new(&[0; HEADER])], [ControlMessage::ScmRights(&files)]);
        sendmsg::<UnixAddr>(pod.as_raw_fd(), &part, &rights, MsgFlags::empty(), None).unwrap();
        drop(held);
        assert!(matches!(channel.receive(), Err(Fault::Socket(Errno::EMSGSIZE))));
        drop(channel);
        witness.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(witness.read(&mut [0]).unwrap(), 0, "nobody holds the other end any more");
    }
}
