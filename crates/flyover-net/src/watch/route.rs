//! Announcements of rtnetlink as events.

use super::event::{Event, Link, LinkChange};
use super::memory::{Entry, Memory};
use crate::nl::{Attrs, Malformed, Message, messages, ne32};

/// What a datagram of rtnetlink announces. Never panics; what it does not understand is [`Event::Lost`].
#[must_use]
pub fn decode(datagram: &[u8], memory: &mut Memory) -> Vec<Event> {
    let events = messages(datagram).filter_map(|message| match message.and_then(|m| one(&m, memory)) {
        Ok(event) => event,
        Err(error) => {
            tracing::warn!(%error, "an announcement of rtnetlink was not understood");
            Some(Event::Lost)
        }
    });
    events.collect()
}

/// The numbers are those of `RTM_*` in linux/rtnetlink.h.
fn one(message: &Message<'_>, memory: &mut Memory) -> Result<Option<Event>, Malformed> {
    Ok(Some(match message.kind {
        16 | 17 => link(message)?,
        20 | 21 => Event::Address { ifindex: index(message.body)? },
        24 | 25 => Event::Route,
        28 | 29 => return neighbour(message, memory),
        32 | 33 => Event::Rule,
        36 | 37 | 40 | 41 | 44 | 45 | 100 | 101 => {
            // An index of -1 is a block of filters that several links share.
            let ifindex = index(message.body)?;
            Event::Qdisc { ifindex: (1..u32::MAX).contains(&ifindex).then_some(ifindex) }
        }
        48 | 49 => Event::Qdisc { ifindex: None },
        88 | 89 => nsid(message)?,
        _ => return Ok(None),
    }))
}

fn index(body: &[u8]) -> Result<u32, Malformed> {
    body.get(4..).and_then(ne32).ok_or(Malformed { what: "announcement" })
}

fn link(message: &Message<'_>) -> Result<Event, Malformed> {
    let of_bridge = message.body.first().is_some_and(|family| i32::from(*family) == libc::AF_BRIDGE);
    let change = match message.kind {
        // A port that leaves its bridge is announced as a link that is deleted, but of the bridge's family.
        _ if of_bridge => LinkChange::Port,
        17 => LinkChange::Gone,
        _ => LinkChange::Present,
    };
    Ok(Event::Link { change, link: Link::parse(message.body)? })
}

fn neighbour(message: &Message<'_>, memory: &mut Memory) -> Result<Option<Event>, Malformed> {
    let entry = Entry::parse(message.body)?;
    let ifindex = entry.ifindex;
    let event = if entry.fdb { Event::Fdb { ifindex } } else { Event::Neighbour { ifindex } };
    Ok(memory.is_change(&entry, message.kind == 29).then_some(event))
}

fn nsid(message: &Message<'_>) -> Result<Event, Malformed> {
    let bad = Malformed { what: "namespace number" };
    // `struct rtgenmsg` is one byte, padded to four.
    let attrs = Attrs::parse(message.body.get(4..).ok_or(bad)?, "namespace number")?;
    let nsid = attrs.ne32(1).ok_or(bad)?.cast_signed();
    Ok(Event::Nsid { nsid, gone: message.kind == 89 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nl::Request;

    const REACHABLE: u8 = 2;
    const STALE: u8 = 4;
    const FAILED: u8 = 0x20;
    const PERMANENT: u8 = 0x80;

    fn neighbour(kind: u16, state: u8, mac: &[u8]) -> Vec<u8> {
        let head = [2, 0, 0, 0, 7, 0, 0, 0, state, 0, 0, 1];
        Request::get(kind, &head).attr(1, &[10, 0, 0, 1]).attr(2, mac).bytes(0)
    }

    /// A memory that has seen one neighbour.
    fn knowing(state: u8) -> Memory {
        let mut memory = Memory::default();
        assert_eq!(decode(&neighbour(28, state, &[2; 6]), &mut memory), [CHANGED], "unknown is changed");
        memory
    }

    const CHANGED: Event = Event::Neighbour { ifindex: 7 };

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes: Vec<u8>) {
            let _events = decode(&bytes, &mut Memory::default());
        }

        #[test]
        fn any_body_of_any_kind_is_decoded_without_panic(kind in 16_u16..110, body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _events = decode(&Request::get(kind, &body).bytes(0), &mut Memory::default());
        }
    }

    #[test]
    fn a_neighbour_that_only_ages_is_not_an_event() {
        let mut memory = knowing(REACHABLE);
        for state in [STALE, 8, 16, REACHABLE] {
            assert_eq!(decode(&neighbour(28, state, &[2; 6]), &mut memory), []);
        }
        assert_eq!(decode(&neighbour(29, STALE, &[2; 6]), &mut memory), [], "collected as garbage");
        assert_eq!(decode(&neighbour(28, REACHABLE, &[2; 6]), &mut memory), [], "and learned again");
    }

    #[test]
    fn a_neighbour_with_another_address_is_an_event_even_after_it_aged_away() {
        let mut memory = knowing(REACHABLE);
        assert_eq!(decode(&neighbour(29, STALE, &[2; 6]), &mut memory), []);
        let events = decode(&neighbour(28, REACHABLE, &[4; 6]), &mut memory);
        assert_eq!(events, [CHANGED]);
    }

    #[test]
    fn a_neighbour_fails_once() {
        let mut memory = knowing(REACHABLE);
        assert_eq!(decode(&neighbour(28, FAILED, &[2; 6]), &mut memory), [CHANGED]);
    }

    #[test]
    fn a_permanent_neighbour_taken_away_is_an_event() {
        let mut memory = knowing(PERMANENT);
        let events = decode(&neighbour(29, PERMANENT, &[2; 6]), &mut memory);
        assert_eq!(events, [CHANGED]);
    }

    #[test]
    fn a_message_cut_short_is_a_loss() {
        let whole = neighbour(28, REACHABLE, &[2; 6]);
        assert_eq!(decode(&whole[..whole.len() - 3], &mut Memory::default()), [Event::Lost]);
    }
}
