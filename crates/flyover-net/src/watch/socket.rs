//! The sockets of a watch.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use netlink_sys::Socket;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use tokio::io::unix::AsyncFd;

use crate::nl::NlError;

/// Room for one datagram.
pub(super) const BUFFER: usize = 256 * 1024;
/// A rule set of ten thousand services is announced in one burst.
const QUEUE: usize = 16 * 1024 * 1024;

/// What a socket listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Route,
    Xfrm,
    Ruleset,
    Conntrack,
}

impl Source {
    pub(super) const ALL: [Self; 4] = [Self::Route, Self::Xfrm, Self::Ruleset, Self::Conntrack];

    fn protocol(self) -> i32 {
        match self {
            Self::Route => libc::NETLINK_ROUTE,
            Self::Xfrm => libc::NETLINK_XFRM,
            Self::Ruleset | Self::Conntrack => libc::NETLINK_NETFILTER,
        }
    }

    /// Multicast groups of linux/rtnetlink.h, linux/xfrm.h and linux/netfilter/nfnetlink.h.
    fn groups(self) -> &'static [u32] {
        match self {
            // LINK, NEIGH, TC, then address, route and rule of IPv4 and of IPv6, NSID.
            Self::Route => &[1, 3, 4, 5, 7, 8, 9, 11, 19, 28],
            Self::Xfrm => &[4],
            Self::Ruleset => &[7],
            Self::Conntrack => &[3],
        }
    }
}

/// One socket, listening.
pub(super) struct Ear {
    socket: AsyncFd<Socket>,
    source: Source,
}

/// What was read.
pub(super) enum Read<'a> {
    Datagram { nsid: Option<i32>, bytes: &'a [u8] },
    Lost,
}

impl Ear {
    pub(super) fn open(source: Source) -> Result<Self, NlError> {
        let fail = |source| NlError::Socket { verb: "open", what: "announcements", source };
        let protocol = isize::try_from(source.protocol()).map_err(|e| fail(io::Error::other(e)))?;
        let mut socket = crate::nl::open(protocol).map_err(fail)?;
        // Only with CAP_NET_ADMIN; the system's limit else.
        setsockopt(&socket, RcvBufForce, &QUEUE)
            .or_else(|_| setsockopt(&socket, RcvBuf, &QUEUE))
            .map_err(|e| fail(e.into()))?;
        socket.bind_auto().map_err(fail)?;
        if source == Source::Ruleset {
            // A pod that loads rules of its own is announced here too, with its namespace's number.
            socket.set_listen_all_namespaces(true).map_err(fail)?;
        }
        for group in source.groups() {
            join(&mut socket, *group).map_err(fail)?;
        }
        socket.set_non_blocking(true).map_err(fail)?;
        Ok(Self { socket: crate::sys::register(socket).map_err(fail)?, source })
    }

    /// Lets a BPF program decide which of its announcements are delivered.
    pub(super) fn filter(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        crate::sys::attach_filter(self.socket.get_ref(), program)
    }

    pub(super) fn source(&self) -> Source {
        self.source
    }

    pub(super) fn poll_read<'a>(&self, context: &mut Context<'_>, buffer: &'a mut [u8]) -> Poll<Read<'a>> {
        loop {
            let Ok(mut guard) = ready!(self.socket.poll_read_ready(context)) else {
                // The runtime is shutting down; nothing will ever be heard again.
                return Poll::Pending;
            };
            match guard.try_io(|socket| receive(socket.get_ref(), buffer)) {
                Err(_would_block) => {}
                Ok(Ok(Some((nsid, len)))) => {
                    return Poll::Ready(Read::Datagram {
                        nsid,
                        bytes: buffer.get(..len).unwrap_or_default(),
                    });
                }
                Ok(Ok(None)) => return Poll::Ready(Read::Lost),
                Ok(Err(error)) => {
                    tracing::warn!(%error, source = ?self.source, "failed to read announcements");
                    return Poll::Ready(Read::Lost);
                }
            }
        }
    }
}

/// A kernel without the part that announces (no IPsec, no nf_tables) has nothing to say.
fn join(socket: &mut Socket, group: u32) -> io::Result<()> {
    match socket.add_membership(group) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// The length and namespace number of the next datagram; none if some were lost.
fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Option<(Option<i32>, usize)>> {
    let mut space = nix::cmsg_space!([u8; 64]);
    let mut slices = [IoSliceMut::new(buffer)];
    match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::empty()) {
        Ok(read) if read.flags.contains(MsgFlags::MSG_TRUNC) => Ok(None),
        Ok(read) => {
            let nsid = read.cmsgs()?.find_map(|message| nsid_of(&message));
            Ok(Some((nsid, read.bytes)))
        }
        Err(Errno::ENOBUFS) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn nsid_of(message: &ControlMessageOwned) -> Option<i32> {
    let ControlMessageOwned::Unknown(message) = message else { return None };
    let head = (message.cmsg_header.cmsg_level, message.cmsg_header.cmsg_type);
    let bytes =
        (head == (libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID)).then_some(&message.data_bytes)?;
    bytes.first_chunk().map(|b| i32::from_ne_bytes(*b))
}
