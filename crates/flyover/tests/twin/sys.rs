//! Packet sockets, which no crate of ours wraps: frames out of a device, and frames that came in by it.
//!
//! Invariant: this is the only unsafe module of the test. Each frame goes with a `virtio_net_hdr`, so that a test
//! can leave checksums and segmentation to the device as a local socket does, and can see what was left to it.
//! Frames are read from a ring: the kernel copies them there when they come. A socket's queue would hold them by
//! reference, and show what the stack wrote into them afterwards.
#![expect(unsafe_code, reason = "packet sockets have no safe wrapper")]

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use flyover_core::IfName;
use flyover_lab::Family;
use nix::net::if_::if_nametoindex;

/// The ring: frames of 32 kB in blocks of 1 MB.
const SLOT: usize = 1 << 15;
const SLOTS: usize = 256;
const BLOCK: usize = 1 << 20;

/// Length of `struct virtio_net_hdr`.
const VNET_HDR: usize = 10;
const ETH_P_ALL: u16 = 3;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
const TPACKET_V2: libc::c_int = 1;

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
    ring: *mut u8,
    next: Cell<usize>,
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
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut tap = Self { fd, ring: std::ptr::null_mut(), next: Cell::new(0) };
        tap.set(libc::SOL_PACKET, libc::PACKET_VERSION, TPACKET_V2)?;
        tap.set(libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        tap.set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        // `struct tpacket_req`
        tap.set(
            libc::SOL_PACKET,
            libc::PACKET_RX_RING,
            [BLOCK, SLOT * SLOTS / BLOCK, SLOT, SLOTS].map(small),
        )?;
        let (both, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: the address is the kernel's choice, and the length is that of the ring just asked for.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), SLOT * SLOTS, both, shared, tap.fd.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        tap.ring = at.cast();
        tap.bind(device)?;
        Ok(tap)
    }

    fn set<T>(&self, level: libc::c_int, option: libc::c_int, value: T) -> io::Result<()> {
        set(&self.fd, level, option, value)
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
    pub(crate) fn next(&self) -> Option<Frame> {
        // SAFETY: the slot is inside the ring, which is mapped for as long as we live.
        let slot = unsafe { self.ring.add(self.next.get() * SLOT) };
        // SAFETY: the status is the slot's first word, is aligned, and both sides change it as a whole.
        let status = unsafe { AtomicU32::from_ptr(slot.cast()) };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the slot is ours until we give it back, and nobody writes to it meanwhile.
        let bytes = unsafe { std::slice::from_raw_parts(slot, SLOT) };
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        // `struct tpacket2_hdr`: status, len, snaplen, mac
        let (len, mac) =
            (u32::from_ne_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]), usize::from(word(12)));
        let end = mac + usize::try_from(len).expect("it is less than a slot");
        let offload = Offload::from_bytes(&bytes[mac - VNET_HDR..mac]);
        let frame = Frame { bytes: bytes[mac..end].to_vec(), offload };
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next.set((self.next.get() + 1) % SLOTS);
        Some(frame)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if !self.ring.is_null() {
            // SAFETY: it was mapped with that length, and nothing borrows from it any more.
            unsafe { libc::munmap(self.ring.cast(), SLOT * SLOTS) };
        }
    }
}

/// Has the kernel refuse what does not fit the path, as who asks for the path's MTU does.
pub(crate) fn never_fragment(socket: &impl AsRawFd, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
        Family::V6 => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
    }
}

fn set<T>(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, value: T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let fd = socket.as_raw_fd();
    // SAFETY: the socket is borrowed for the call, and `value` lives for it and is as long as said.
    done(unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) } as isize)?;
    Ok(())
}

fn small(n: usize) -> u32 {
    u32::try_from(n).expect("the ring is small")
}

fn done(answer: isize) -> io::Result<usize> {
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}
