//! Waiting until a descriptor can be read: in no call, `select`, `poll`, or `epoll`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::select::{FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike};

use super::options::Muxer;

/// The kernel's `FD_SETSIZE`: `select` knows no greater descriptor.
const SELECT_LIMIT: usize = 1024;

/// A way of waiting, with all descriptors it watches.
pub(super) struct Mux {
    how: How,
    spin: bool,
    timeout: Option<Duration>,
    bystanders: Vec<OwnedFd>,
}

enum How {
    Receive,
    Select,
    Poll,
    Epoll { epoll: Epoll, each_time: EachTime },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EachTime {
    Nothing,
    Modify,
    Add,
}

impl Mux {
    pub(super) fn new(
        muxer: Muxer,
        (spin, timeout): (bool, Option<Duration>),
        watched: BorrowedFd<'_>,
        bystanders: Vec<OwnedFd>,
    ) -> nix::Result<Self> {
        let how = match muxer {
            Muxer::None => How::Receive,
            Muxer::Select => {
                let greatest = bystanders.iter().map(AsFd::as_fd).chain([watched]).map(number).max();
                if greatest.is_some_and(|fd| fd >= SELECT_LIMIT) {
                    return Err(Errno::EBADF);
                }
                How::Select
            }
            Muxer::Poll => How::Poll,
            Muxer::Epoll => epoll(EachTime::Nothing, Some(watched), &bystanders)?,
            Muxer::EpollMod => epoll(EachTime::Modify, Some(watched), &bystanders)?,
            Muxer::EpollAdddel => epoll(EachTime::Add, None, &bystanders)?,
        };
        Ok(Self { how, spin, timeout, bystanders })
    }

    /// Whether waiting is left to the receive call.
    pub(super) fn is_none(&self) -> bool {
        matches!(self.how, How::Receive)
    }

    /// Whether that call is tried again and again.
    pub(super) fn spins(&self) -> bool {
        self.spin
    }

    /// How long a wait may take.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Before the first wait for a message.
    pub(super) fn arm(&self, watched: BorrowedFd<'_>) -> nix::Result<()> {
        match &self.how {
            How::Epoll { epoll, each_time: EachTime::Add } => epoll.add(watched, readable()),
            How::Epoll { epoll, each_time: EachTime::Modify } => epoll.modify(watched, &mut readable()),
            _ => Ok(()),
        }
    }

    /// After the last.
    pub(super) fn disarm(&self, watched: BorrowedFd<'_>) -> nix::Result<()> {
        match &self.how {
            How::Epoll { epoll, each_time: EachTime::Add } => epoll.delete(watched),
            How::Epoll { epoll, each_time: EachTime::Modify } => {
                epoll.modify(watched, &mut EpollEvent::empty())
            }
            _ => Ok(()),
        }
    }

    /// Returns when `watched` can be read. Nothing else ever becomes readable.
    pub(super) fn wait(&self, watched: BorrowedFd<'_>) -> nix::Result<()> {
        let started = Instant::now();
        loop {
            let patience = if self.spin { Some(Duration::ZERO) } else { self.timeout };
            match self.look(watched, patience) {
                Ok(0) if self.spin && self.timeout.is_none_or(|limit| started.elapsed() < limit) => {}
                Ok(0) => return Err(Errno::EAGAIN),
                Err(Errno::EINTR) => {}
                other => return other.map(drop),
            }
        }
    }

    fn look(&self, watched: BorrowedFd<'_>, patience: Option<Duration>) -> nix::Result<usize> {
        match &self.how {
            How::Receive => Ok(1),
            How::Select => self.look_by_select(watched, patience),
            How::Poll => self.look_by_poll(watched, patience),
            How::Epoll { epoll, .. } => {
                let timeout = patience.map_or(Ok(EpollTimeout::NONE), EpollTimeout::try_from);
                epoll.wait(&mut [EpollEvent::empty()], timeout.map_err(|_| Errno::EINVAL)?)
            }
        }
    }

    fn look_by_select(&self, watched: BorrowedFd<'_>, patience: Option<Duration>) -> nix::Result<usize> {
        let mut set = FdSet::new();
        set.insert(watched);
        self.bystanders.iter().for_each(|fd| set.insert(fd.as_fd()));
        let mut timeout =
            patience.map(|p| TimeVal::microseconds(i64::try_from(p.as_micros()).unwrap_or(i64::MAX)));
        let ready = select(None, &mut set, None, None, &mut timeout)?;
        Ok(ready.unsigned_abs() as usize)
    }

    fn look_by_poll(&self, watched: BorrowedFd<'_>, patience: Option<Duration>) -> nix::Result<usize> {
        let timeout = patience.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from);
        let timeout = timeout.map_err(|_| Errno::EINVAL)?;
        let ready = if self.bystanders.is_empty() {
            poll(&mut [PollFd::new(watched, PollFlags::POLLIN)], timeout)?
        } else {
            let watched = [watched].into_iter().chain(self.bystanders.iter().map(AsFd::as_fd));
            let mut all: Vec<_> = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            poll(&mut all, timeout)?
        };
        Ok(ready.unsigned_abs() as usize)
    }
}

fn number(fd: BorrowedFd<'_>) -> usize {
    std::os::fd::AsRawFd::as_raw_fd(&fd).unsigned_abs() as usize
}

fn readable() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, 0)
}

fn epoll(each_time: EachTime, watched: Option<BorrowedFd<'_>>, beside: &[OwnedFd]) -> nix::Result<How> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    if let Some(watched) = watched {
        let event = if each_time == EachTime::Nothing { readable() } else { EpollEvent::empty() };
        epoll.add(watched, event)?;
    }
    beside.iter().try_for_each(|fd| epoll.add(fd, readable()))?;
    Ok(How::Epoll { epoll, each_time })
}
