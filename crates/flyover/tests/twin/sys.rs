//! Packet sockets, which no crate of ours wraps: frames out of a device, and frames that came in by it.
//!
//! Invariant: this is the only unsafe module of the test. Each frame goes with a `virtio_net_hdr`, so that a test
//! can leave checksums and segmentation to the device as a local socket does, and can see what was left to it.
#![expect(unsafe_code, reason = "packet sockets have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use flyover_core::IfName;
use nix::net::if_::if_nametoindex;

/// Length of `struct virtio_net_hdr`.
const VNET_HDR: usize = 10;
const ETH_P_ALL: u16 = 3;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
pub(crate) const NEEDS_SUM: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_TCPV4`, `_TCPV6`, `_UDP_L4`.
pub(crate) const GSO_TCP4: u8 = 1;
pub(crate) const GSO_TCP6: u8 = 4;
pub(crate) const GSO_UDP: u8 = 5;

/// What of a frame is left to the device: `struct virtio_net_hdr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offload {
    pub(crate) flags: u8,
    pub(crate) gso_type: u8,
    pub(crate) hdr_len: u16,
    pub(crate) gso_size: u16,
    /// Where the sum begins, and where from there it is written.
    pub(crate) sum_start: u16,
    pub(crate) sum_offset: u16,
}

impl Offload {
    fn bytes(self) -> Vec<u8> {
        let words = [self.hdr_len, self.gso_size, self.sum_start, self.sum_offset];
        [self.flags, self.gso_type].into_iter().chain(words.into_iter().flat_map(u16::to_ne_bytes)).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            gso_type: bytes[1],
            hdr_len: word(2),
            gso_size: word(4),
            sum_start: word(6),
            sum_offset: word(8),
        }
    }
}

/// A frame, Ethernet header first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
}

/// A socket on one device, in the namespace it was made in. Sees what comes in, not what goes out.
#[derive(Debug)]
pub(crate) struct Tap {
    fd: OwnedFd,
}

impl Tap {
    /// On that device of the calling thread's namespace.
    pub(crate) fn on(device: &IfName) -> io::Result<Self> {
        // SAFETY: `socket` takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let tap = Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } };
        tap.set(libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        tap.set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        tap.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 8 << 20)?;
        tap.bind(device)?;
        Ok(tap)
    }

    fn set(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
        let len = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
        let fd = self.fd.as_raw_fd();
        // SAFETY: the descriptor is ours, and `value` lives for the call and is as long as said.
        done(unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) } as isize)?;
        Ok(())
    }

    fn bind(&self, device: &IfName) -> io::Result<()> {
        let index = if_nametoindex(device.as_str()).map_err(io::Error::from)?;
        // SAFETY: a `sockaddr_ll` of nought bytes is valid.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        address.sll_protocol = ETH_P_ALL.to_be();
        address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
        let len = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
        // SAFETY: the descriptor is ours, and `address` lives for the call and is as long as said.
        done(unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), len) } as isize)?;
        Ok(())
    }

    /// Sends a frame as it is.
    pub(crate) fn send(&self, frame: &Frame) -> io::Result<()> {
        let all = [frame.offload.bytes(), frame.bytes.clone()].concat();
        // SAFETY: the descriptor is ours, and the buffer lives for the call and is as long as said.
        done(unsafe { libc::send(self.fd.as_raw_fd(), all.as_ptr().cast(), all.len(), 0) })?;
        Ok(())
    }

    /// The next frame that came in, if there is one.
    pub(crate) fn next(&self) -> io::Result<Option<Frame>> {
        let mut buffer = vec![0_u8; 70_000];
        let (at, room) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the descriptor is ours, and the kernel writes at most `room` bytes to the buffer.
        let got = done(unsafe { libc::recv(self.fd.as_raw_fd(), at.cast(), room, libc::MSG_DONTWAIT) });
        match got {
            Ok(len) if len >= VNET_HDR => {
                let (header, bytes) = buffer[..len].split_at(VNET_HDR);
                Ok(Some(Frame { bytes: bytes.to_vec(), offload: Offload::from_bytes(header) }))
            }
            Ok(_) => Err(io::Error::other("a frame without its header")),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn done(answer: isize) -> io::Result<usize> {
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}
