//! What is known of neighbours and forwarding entries, to tell a change from mere ageing.
//!
//! The kernel announces each step of an entry's life, REACHABLE to STALE to DELAY to PROBE and back, and the end of
//! entries nobody used. None of it changes where a packet goes. So an entry is remembered beyond its end: only when
//! it comes back with another address, fails, or was removed by hand, is there something to say.

use std::collections::HashMap;

use crate::nl::{Attrs, Malformed, NlError, Request, Talk, ne16, ne32};

/// `NUD_FAILED`, `NUD_NOARP`, `NUD_PERMANENT`.
const FAILED: u16 = 0x20;
const BY_HAND: u16 = 0x40 | 0x80;
/// Beyond this many entries the memory starts anew, and what it forgot counts as changed.
const MOST: usize = 1 << 17;

const GET_NEIGHBOURS: u16 = 30;
const NEW_NEIGHBOUR: u16 = 28;

/// The last thing known of each entry.
#[derive(Debug, Default)]
pub struct Memory {
    known: HashMap<Vec<u8>, Target>,
    /// Whether an entry that is not known is new for sure.
    complete: bool,
}

/// Where an entry leads; nowhere if it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    to: Vec<u8>,
    by_hand: bool,
}

/// A neighbour or forwarding entry as announced.
pub(super) struct Entry {
    key: Vec<u8>,
    target: Target,
    failed: bool,
    /// Index of the link it is on.
    pub(super) ifindex: u32,
    /// Whether it is a forwarding entry.
    pub(super) fdb: bool,
}

impl Memory {
    /// Learns every entry of the namespace in which `talk` was opened. On failure what is unknown counts as changed.
    pub(super) fn learn(&mut self, talk: &mut Talk) -> Result<(), NlError> {
        *self = Self { known: HashMap::new(), complete: true };
        let learned = [libc::AF_UNSPEC, libc::AF_BRIDGE].into_iter().try_for_each(|family| {
            let mut head = [0; 12];
            head[0] = u8::try_from(family).expect("these address families are below 256");
            talk.ask("neighbours", &Request::dump(GET_NEIGHBOURS, &head), |message| {
                if message.kind == NEW_NEIGHBOUR {
                    self.is_change(&Entry::parse(message.body)?, false);
                }
                Ok(())
            })
        });
        if learned.is_err() {
            self.forget();
        }
        learned
    }

    /// Forgets everything.
    fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes note of the entry and tells whether packets may now go elsewhere.
    pub(super) fn is_change(&mut self, entry: &Entry, gone: bool) -> bool {
        if self.known.len() >= MOST {
            self.forget();
        }
        if gone {
            return self.is_removal(entry);
        }
        if entry.failed {
            return self.known.remove(&entry.key).is_some() || !self.complete;
        }
        if entry.target.to.is_empty() {
            return false; // Still being resolved: whatever it was before, it is no other yet.
        }
        match self.known.insert(entry.key.clone(), entry.target.clone()) {
            Some(before) => before.to != entry.target.to,
            // A forwarding entry made by hand may take traffic from the default destination.
            None => !self.complete || (entry.fdb && entry.target.by_hand),
        }
    }

    /// An entry that aged away is remembered; one that was taken away by hand is not what it was.
    fn is_removal(&mut self, entry: &Entry) -> bool {
        let before = self.known.get(&entry.key);
        let by_hand = entry.target.by_hand || before.is_some_and(|b| b.by_hand);
        let unknown = before.is_none() && !self.complete;
        if by_hand {
            self.known.remove(&entry.key);
        }
        by_hand || unknown
    }
}

impl Entry {
    /// Reads the body of an `RTM_NEWNEIGH` or `RTM_DELNEIGH`.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "neighbour";
        let bad = Malformed { what: WHAT };
        let (head, rest) = body.split_first_chunk::<12>().ok_or(bad)?;
        let attrs = Attrs::parse(rest, WHAT)?;
        let ifindex = head.get(4..).and_then(ne32).ok_or(bad)?;
        let state = head.get(8..).and_then(ne16).ok_or(bad)?;
        let fdb = i32::from(head[0]) == libc::AF_BRIDGE;
        let (dst, mac) = (attrs.get(1).unwrap_or_default(), attrs.get(2).unwrap_or_default());
        let mut key = vec![head[0], head[10]];
        let mut to = Vec::new();
        if fdb {
            // Within a bridge an address is known once for each VLAN; it leads to a port, of a tunnel to a remote.
            key.extend(attrs.get(9).map_or(ifindex.to_ne_bytes().to_vec(), <[u8]>::to_vec));
            key.extend(mac.iter().chain(attrs.get(5).unwrap_or_default()));
            to.extend(ifindex.to_ne_bytes());
            [6, 7, 8].iter().for_each(|kind| to.extend(attrs.get(*kind).unwrap_or_default()));
            to.extend(dst);
        } else {
            key.extend(ifindex.to_ne_bytes());
            key.extend(dst);
            to.extend(mac);
        }
        let target = Target { to, by_hand: state & BY_HAND != 0 };
        Ok(Self { key, target, failed: state & FAILED != 0, ifindex, fdb })
    }
}
