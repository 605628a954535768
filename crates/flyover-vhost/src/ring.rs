//! One virtqueue (split, virtio 1.2 chapter 2.7) from the driver's side, each descriptor with a buffer of its own.
//!
//! Invariant: what the device wrote is believed only after it was held against what was offered to it.

use std::sync::atomic::{Ordering, fence};

use crate::error::Nonsense;
use crate::memory::Memory;

const DESCRIPTOR: usize = 16;
const USED: usize = 8;
/// Of a descriptor: the device writes into the buffer.
const WRITES: u16 = 2;
/// Of the used ring: the device polls, and wants no kicks.
const NO_NOTIFY: u16 = 1;

/// Which way the buffers of a ring go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The device writes into them.
    In,
    /// The device reads them.
    Out,
}

/// Where the parts of a ring are, from the memory's begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) descriptors: usize,
    pub(crate) available: usize,
    pub(crate) used: usize,
    buffers: usize,
    /// How many buffers, a power of two.
    pub(crate) size: u16,
    /// How large each is.
    pub(crate) room: u32,
}

impl Layout {
    /// A ring that begins there.
    pub(crate) fn at(begin: usize, size: u16, room: u32) -> Self {
        let count = usize::from(size);
        let descriptors = begin.next_multiple_of(4096);
        let available = descriptors + DESCRIPTOR * count;
        let used = (available + 6 + 2 * count).next_multiple_of(4);
        let buffers = (used + 6 + USED * count).next_multiple_of(64);
        Self { descriptors, available, used, buffers, size, room }
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> usize {
        self.buffers + usize::from(self.size) * self.room as usize
    }

    fn buffer(&self, id: u16) -> usize {
        self.buffers + usize::from(id) * self.room as usize
    }
}

/// A buffer that the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) id: u16,
    pub(crate) written: u32,
}

/// One virtqueue.
#[derive(Debug)]
pub(crate) struct Ring {
    layout: Layout,
    way: Way,
    /// The next place of the available ring.
    next: u16,
    /// The next place of the used ring.
    seen: u16,
    offered: Vec<bool>,
    count: u16,
}

impl Ring {
    /// Clears the rings in the memory; `base` is where the device sees the memory begin.
    pub(crate) fn new(memory: &Memory, layout: Layout, way: Way, base: u64) -> Self {
        memory.write(layout.descriptors, &vec![0; layout.buffers - layout.descriptors]);
        for id in 0..layout.size {
            let mut descriptor = [0; DESCRIPTOR];
            descriptor[..8].copy_from_slice(&(base + layout.buffer(id) as u64).to_le_bytes());
            let flags = if way == Way::In { WRITES } else { 0 };
            descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
            memory.write(layout.descriptors + DESCRIPTOR * usize::from(id), &descriptor);
        }
        Self { layout, way, next: 0, seen: 0, offered: vec![false; usize::from(layout.size)], count: 0 }
    }

    /// A buffer that the device does not have.
    pub(crate) fn free(&self) -> Option<u16> {
        let at = self.offered.iter().position(|offered| !offered)?;
        u16::try_from(at).ok()
    }

    /// How many buffers the device has.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// Fills a free buffer.
    pub(crate) fn fill(&self, memory: &Memory, id: u16, at: usize, bytes: &[u8]) {
        memory.write(self.layout.buffer(id) + at, bytes);
    }

    /// What is in a buffer.
    pub(crate) fn content(&self, memory: &Memory, done: Done) -> Vec<u8> {
        let mut bytes = vec![0; done.written as usize];
        memory.read(self.layout.buffer(done.id), &mut bytes);
        bytes
    }

    /// Offers a free buffer; the device sees it after [`Ring::publish`].
    pub(crate) fn offer(&mut self, memory: &Memory, id: u16, length: u32) {
        let length = if self.way == Way::In { self.layout.room } else { length };
        memory.store(
            self.layout.descriptors + DESCRIPTOR * usize::from(id) + 8,
            length.to_le(),
            Ordering::Relaxed,
        );
        let place = usize::from(self.next % self.layout.size);
        memory.store(self.layout.available + 4 + 2 * place, id.to_le(), Ordering::Relaxed);
        self.offered[usize::from(id)] = true;
        self.count += 1;
        self.next = self.next.wrapping_add(1);
    }

    /// Shows the device all that was offered, and tells whether it wants to be kicked.
    pub(crate) fn publish(&self, memory: &Memory) -> bool {
        memory.store(self.layout.available + 2, self.next.to_le(), Ordering::Release);
        // The device looks for buffers again after it said that it wants to be kicked.
        fence(Ordering::SeqCst);
        u16::from_le(memory.load(self.layout.used, Ordering::Relaxed)) & NO_NOTIFY == 0
    }

    /// The next buffer that the device is done with.
    pub(crate) fn done(&mut self, memory: &Memory) -> Result<Option<Done>, Nonsense> {
        let index = u16::from_le(memory.load(self.layout.used + 2, Ordering::Acquire));
        let used = index.wrapping_sub(self.seen);
        if used == 0 {
            return Ok(None);
        }
        if used > self.count {
            return Err(Nonsense::Index { used, offered: self.count });
        }
        let at = self.layout.used + 4 + USED * usize::from(self.seen % self.layout.size);
        let id = u32::from_le(memory.load(at, Ordering::Relaxed));
        let written = u32::from_le(memory.load(at + 4, Ordering::Relaxed));
        let known = u16::try_from(id).ok().filter(|id| self.offered.get(usize::from(*id)) == Some(&true));
        let known = known.ok_or(Nonsense::Buffer(id))?;
        let room = self.layout.room;
        if self.way == Way::In && written > room {
            return Err(Nonsense::Written { written, room });
        }
        self.offered[usize::from(known)] = false;
        self.count -= 1;
        self.seen = self.seen.wrapping_add(1);
        // Of a buffer that the device reads, the length means nothing.
        Ok(Some(Done { id: known, written: if self.way == Way::In { written } else { 0 } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rig(way: Way) -> (Memory, Layout, Ring) {
        let layout = Layout::at(0, 4, 128);
        let memory = Memory::new(layout.end()).unwrap();
        let ring = Ring::new(&memory, layout, way, 0x1000);
        (memory, layout, ring)
    }

    /// What a device does: says that it used these.
    fn uses(memory: &Memory, layout: Layout, index: u16, entries: &[(u32, u32)]) {
        for (place, (id, length)) in entries.iter().enumerate() {
            memory.store(layout.used + 4 + 8 * place, id.to_le(), Ordering::Relaxed);
            memory.store(layout.used + 8 + 8 * place, length.to_le(), Ordering::Relaxed);
        }
        memory.store(layout.used + 2, index.to_le(), Ordering::Release);
    }

    #[test]
    fn a_buffer_goes_to_the_device_and_comes_back_with_what_it_wrote() {
        let (memory, layout, mut ring) = rig(Way::In);
        let id = ring.free().unwrap();
        ring.offer(&memory, id, 0);
        assert!(ring.publish(&memory));
        assert_eq!(ring.done(&memory), Ok(None));
        memory.write(layout.buffer(id), b"frame");
        uses(&memory, layout, 1, &[(u32::from(id), 5)]);
        let done = ring.done(&memory).unwrap().unwrap();
        assert_eq!((ring.content(&memory, done).as_slice(), ring.count()), (b"frame".as_slice(), 0));
        assert_eq!(ring.done(&memory), Ok(None));
    }

    #[test]
    fn a_device_that_polls_wants_no_kick() {
        let (memory, layout, ring) = rig(Way::Out);
        memory.store(layout.used, NO_NOTIFY.to_le(), Ordering::Relaxed);
        assert!(!ring.publish(&memory));
    }

    #[test]
    fn what_no_device_may_write_is_told_apart() {
        let cases = [
            (2, (0, 1), Nonsense::Index { used: 2, offered: 1 }),
            (u16::MAX, (0, 1), Nonsense::Index { used: u16::MAX, offered: 1 }),
            (1, (1, 1), Nonsense::Buffer(1)),
            (1, (70_000, 1), Nonsense::Buffer(70_000)),
            (1, (0, 129), Nonsense::Written { written: 129, room: 128 }),
        ];
        for (index, entry, nonsense) in cases {
            let (memory, layout, mut ring) = rig(Way::In);
            ring.offer(&memory, 0, 0);
            ring.publish(&memory);
            uses(&memory, layout, index, &[entry]);
            assert_eq!(ring.done(&memory), Err(nonsense));
        }
    }

    #[test]
    fn a_buffer_cannot_be_used_twice() {
        let (memory, layout, mut ring) = rig(Way::Out);
        ring.offer(&memory, 0, 60);
        ring.offer(&memory, 1, 60);
        ring.publish(&memory);
        uses(&memory, layout, 2, &[(0, 0), (0, 0)]);
        assert_eq!(ring.done(&memory), Ok(Some(Done { id: 0, written: 0 })));
        assert_eq!(ring.done(&memory), Err(Nonsense::Buffer(0)));
    }

    #[test]
    fn indices_go_around() {
        let (memory, layout, mut ring) = rig(Way::Out);
        for round in 0..70_000_u32 {
            let place = usize::try_from(round % 4).unwrap();
            ring.offer(&memory, 3, 60);
            ring.publish(&memory);
            memory.store(layout.used + 4 + 8 * place, 3_u32.to_le(), Ordering::Relaxed);
            memory.store(layout.used + 2, u16::try_from((round + 1) % 65_536).unwrap(), Ordering::Release);
            assert_eq!(ring.done(&memory), Ok(Some(Done { id: 3, written: 0 })));
        }
    }
}
