//! One connection to a switch: its rings, and the events that go with them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use nix::poll::PollFlags;
use vmm_sys_util::eventfd::EventFd;

use super::setup::{self, Agreed, Shared};
use super::socket::{Wake, wait};
use super::{Features, Settings};
use crate::error::{Nonsense, VhostError};
use crate::memory::Memory;
use crate::ring::{Layout, Ring, Way};

/// Before each frame, as virtio 1 has it: flags, offloads, and in how many buffers the frame is.
const HEADER: usize = 12;
/// Where the number of buffers is.
const BUFFERS: usize = 10;
/// Addresses and type.
const ETHERNET: usize = 14;
/// Two VLAN tags.
const TAGS: usize = 8;
/// Where the switch sees our memory begin; no address of a machine is needed for it, so none is told.
const BASE: u64 = 0x1000_0000;

/// The switch's events of one queue.
#[derive(Debug)]
pub(super) struct Events {
    /// We tell that buffers are offered.
    pub(super) kick: EventFd,
    /// The switch tells that buffers are used.
    pub(super) call: EventFd,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    agreed: Agreed,
    memory: Memory,
    /// What comes.
    rx: Ring,
    /// What goes.
    tx: Ring,
    events: [Events; 2],
    longest: usize,
}

impl Link {
    /// Goes through the set-up with whoever is at the other end.
    pub(super) fn set_up(stream: UnixStream, settings: &Settings, path: &Path) -> Result<Self, VhostError> {
        let longest = ETHERNET + TAGS + usize::from(settings.mtu);
        let room = u32::try_from((HEADER + longest).next_multiple_of(64)).expect("an MTU has 16 bits");
        let layouts = {
            let rx = Layout::at(0, settings.buffers, room);
            [rx, Layout::at(rx.end(), settings.buffers, room)]
        };
        let memory = Memory::new(layouts[1].end().next_multiple_of(2 << 20))?;
        let [mut rx, tx] =
            [(0, Way::In), (1, Way::Out)].map(|(at, way)| Ring::new(&memory, layouts[at], way, BASE));
        while let Some(id) = rx.free() {
            rx.offer(&memory, id, 0);
        }
        rx.publish(&memory);
        let failed = |source| VhostError::Socket { verb: "make events for", path: path.to_owned(), source };
        let event = || EventFd::new(vmm_sys_util::eventfd::EFD_NONBLOCK).map_err(failed);
        let events = [Events { kick: event()?, call: event()? }, Events { kick: event()?, call: event()? }];
        let shared = Shared { memory: &memory, layouts: &layouts, events: &events, base: BASE };
        let agreed = setup::agree(stream, settings, &shared, path)?;
        // What was offered before the switch knew of it.
        let link = Self { agreed, memory, rx, tx, events, longest };
        link.kick(0);
        Ok(link)
    }

    /// Whether the other side is still there. It never speaks without being asked, so whatever it says is its end.
    pub(super) fn holds(&self) -> bool {
        let events = PollFlags::POLLIN | PollFlags::POLLHUP;
        wait(&[(self.agreed.stream.as_fd(), events)], Instant::now()).is_empty()
    }

    pub(super) fn features(&self) -> Features {
        self.agreed.features
    }

    /// Gives a frame to the switch.
    pub(super) fn send(&mut self, frame: &[u8], path: &Path) -> Result<(), VhostError> {
        if !(ETHERNET..=self.longest).contains(&frame.len()) {
            return Err(VhostError::Length { length: frame.len(), least: ETHERNET, most: self.longest });
        }
        while self.tx.done(&self.memory).map_err(|what| broken(path, what))?.is_some() {}
        let full = || VhostError::Full { path: path.to_owned(), waiting: self.tx.count() };
        let id = self.tx.free().ok_or_else(full)?;
        self.tx.fill(&self.memory, id, 0, &[0; HEADER]);
        self.tx.fill(&self.memory, id, HEADER, frame);
        let length = u32::try_from(HEADER + frame.len()).expect("a frame has less than 64 KiB");
        self.tx.offer(&self.memory, id, length);
        if self.tx.publish(&self.memory) {
            self.kick(1);
        }
        Ok(())
    }

    /// The next frame that is there.
    pub(super) fn receive(&mut self, path: &Path) -> Result<Option<Vec<u8>>, VhostError> {
        let frame = self.frame().map_err(|what| broken(path, what))?;
        if frame.is_some() && self.rx.publish(&self.memory) {
            self.kick(0);
        }
        Ok(frame)
    }

    /// Waits until the switch says that there are frames.
    pub(super) fn wait(&self, deadline: Instant) -> Wake {
        let call = &self.events[0].call;
        let stream = (self.agreed.stream.as_fd(), PollFlags::POLLIN | PollFlags::POLLHUP);
        // SAFETY: the event is open as long as `self` is.
        #[expect(unsafe_code, reason = "an EventFd lends its descriptor only as a number")]
        let borrowed = unsafe { BorrowedFd::borrow_raw(call.as_raw_fd()) };
        match wait(&[(borrowed, PollFlags::POLLIN), stream], deadline).as_slice() {
            [] => Wake::Late,
            [0] => {
                // How often it was told does not matter, and it may have been taken back.
                let _count = call.read();
                Wake::Signal
            }
            _ => Wake::Gone,
        }
    }

    fn frame(&mut self) -> Result<Option<Vec<u8>>, Nonsense> {
        let Some(first) = self.rx.done(&self.memory)? else { return Ok(None) };
        let mut bytes = self.rx.content(&self.memory, first);
        self.rx.offer(&self.memory, first.id, 0);
        if bytes.len() < HEADER {
            return Err(Nonsense::Parts);
        }
        let buffers = u16::from_le_bytes([bytes[BUFFERS], bytes[BUFFERS + 1]]);
        let more = if self.agreed.merges() { buffers.saturating_sub(1) } else { 0 };
        for _ in 0..more {
            // All of a frame is shown at once.
            let next = self.rx.done(&self.memory)?.ok_or(Nonsense::Parts)?;
            bytes.extend(self.rx.content(&self.memory, next));
            self.rx.offer(&self.memory, next.id, 0);
        }
        bytes.drain(..HEADER);
        Ok(Some(bytes))
    }

    fn kick(&self, queue: usize) {
        // It fails only when the switch has slept through 2^64 kicks.
        let _kicked = self.events[queue].kick.write(1);
    }
}

fn broken(path: &Path, what: Nonsense) -> VhostError {
    VhostError::Broken { path: path.to_owned(), what }
}
