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

use nix::errno::Errno;
use nix::libc::{SCM_RIGHTS, SOL_SOCKET};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, recvmsg, sendmsg};

use super::message::{BadMessage, HEADER, Header, MOST_FILES, Message, Request, Way};

/// A side that does not read for so long has stopped working.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the head of a control message is, and room for all that one can bring: the kernel passes on 253 descriptors.
const CONTROL_HEAD: usize = size_of::<usize>() + 2 * size_of::<i32>();
const CONTROL: usize = CONTROL_HEAD + (253 * size_of::<RawFd>()).next_multiple_of(size_of::<usize>());

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
        let mut space = vec![0_u8; CONTROL];
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
        // All that came is ours to close before any of it is judged.
        self.files.extend(descriptors(&space).into_iter().map(own));
        if cut || self.files.len() > MOST_FILES {
            return Err(Fault::Socket(Errno::EMSGSIZE));
        }
        self.bytes.extend(&bytes[..count]);
        if count == 0 { Err(Fault::Gone) } else { Ok(true) }
    }
}

/// The descriptors in what the kernel wrote into a buffer of zeros. The library gives none of a message that was cut, as
/// one is when there is no room for more files in this process, and those that came would stay open.
fn descriptors(mut control: &[u8]) -> Vec<RawFd> {
    const WORD: usize = size_of::<usize>();
    let mut found = Vec::new();
    while let Some((head, _)) = control.split_first_chunk::<CONTROL_HEAD>() {
        let number = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = control.first_chunk::<WORD>().map_or(0, |length| usize::from_ne_bytes(*length));
        let Some(data) = control.get(CONTROL_HEAD..length) else { break };
        if (number(WORD), number(WORD + 4)) == (SOL_SOCKET, SCM_RIGHTS) {
            let words = data.chunks_exact(size_of::<RawFd>());
            found.extend(words.map(|word| RawFd::from_ne_bytes([word[0], word[1], word[2], word[3]])));
        }
        control = control.get(length.next_multiple_of(WORD)..).unwrap_or_default();
    }
    found
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
    use std::io::{self, Read};
    use std::thread;

    use super::*;

    /// Sends so many writing ends of one pipe, and keeps none.
    fn send(stream: &UnixStream, count: usize) -> io::PipeReader {
        let (reader, writer) = io::pipe().unwrap();
        let ends: Vec<_> = (0..count).map(|_| writer.try_clone().unwrap()).collect();
        let files: Vec<RawFd> = ends.iter().map(AsRawFd::as_raw_fd).collect();
        let (bytes, rights) = ([IoSlice::new(&[0; HEADER])], [ControlMessage::ScmRights(&files)]);
        sendmsg::<UnixAddr>(stream.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None).unwrap();
        reader
    }

    #[test]
    fn descriptors_of_a_message_that_was_cut_are_found() {
        let mut control = vec![0_u8; CONTROL];
        let length = CONTROL_HEAD + 2 * size_of::<RawFd>();
        control[..8].copy_from_slice(&length.to_ne_bytes());
        control[8..12].copy_from_slice(&SOL_SOCKET.to_ne_bytes());
        control[12..16].copy_from_slice(&SCM_RIGHTS.to_ne_bytes());
        control[16..20].copy_from_slice(&7_i32.to_ne_bytes());
        control[20..24].copy_from_slice(&9_i32.to_ne_bytes());
        assert_eq!(descriptors(&control), [7, 9]);
        assert_eq!(descriptors(&vec![0; CONTROL]), Vec::<RawFd>::new());
        control[..8].copy_from_slice(&usize::MAX.to_ne_bytes());
        assert_eq!(descriptors(&control), Vec::<RawFd>::new());
    }

    #[test]
    fn files_that_nobody_asked_for_are_closed_however_many_come() {
        for count in [MOST_FILES + 1, 100, 253] {
            let (pod, stream) = UnixStream::pair().unwrap();
            let mut reader = send(&pod, count);
            let mut channel = Channel::new(stream, Way::Request).unwrap();
            let received = channel.receive();
            assert!(matches!(received, Err(Fault::Socket(Errno::EMSGSIZE))), "{count}: {received:?}");
            drop(channel);
            // A pipe ends when nobody has its writing end any more.
            let ended = thread::spawn(move || reader.read(&mut [0]));
            let end = std::time::Instant::now() + PATIENCE;
            while !ended.is_finished() && std::time::Instant::now() < end {
                thread::sleep(Duration::from_millis(1));
            }
            assert!(ended.is_finished(), "{count}: some are still open");
        }
    }
}
