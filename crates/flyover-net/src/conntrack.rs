//! Conntrack's entries of the calling thread's network namespace.

use flyover_core::Flow;

use crate::nl::{Attrs, Malformed, NlError, Request, Talk};
use crate::watch::tuple;

/// `IPCTNL_MSG_CT_NEW`, `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const NEW: u16 = 1 << 8;
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_PROTOINFO`, `CTA_ZONE`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const PROTOCOL_INFO: u16 = 4;
const ZONE: u16 = 18;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `IP_CT_TCP_FLAG_BE_LIBERAL` as value and mask.
const BE_LIBERAL: [u8; 2] = [8, 8];
const TCP: u8 = 6;
/// `TCP_CONNTRACK_LAST_ACK`, after which there are only `TIME_WAIT` and `CLOSE`.
const LAST_ACK: u8 = 6;
const WHAT: &str = "conntrack entries";

/// Tells conntrack to forgive the TCP connections it knows whatever it has not seen of them, for as long as they
/// last; tells how many there are. What `nf_conntrack_tcp_be_liberal` does for all, this does for each.
pub fn forgive_tcp() -> Result<usize, NlError> {
    for_each(forgive)
}

/// Makes conntrack forget the entries whose first packet was of such a flow; tells how many there were.
pub fn forget(is_it: impl Fn(&Flow) -> bool) -> Result<usize, NlError> {
    for_each(|body| {
        let entry = parse(body)?;
        let flow = tuple(Attrs::parse(entry.original, "conntrack tuple")?)?;
        Ok(flow.filter(&is_it).map(|_| entry.request(DELETE)))
    })
}

/// The two directions of all conversations by TCP and UDP that are not over: as who began has them, and as who answers.
pub fn flows() -> Result<Vec<[Flow; 2]>, NlError> {
    let mut talk = Talk::open(libc::NETLINK_NETFILTER, WHAT)?;
    list(&mut talk, directions)
}

/// The two directions of an entry, if it is of TCP or UDP and not over.
pub fn directions(body: &[u8]) -> Result<Option<[Flow; 2]>, Malformed> {
    let bad = Malformed { what: "conntrack entry" };
    let attrs = Attrs::parse(body.get(4..).ok_or(bad)?, "conntrack entry")?;
    // `CTA_PROTOINFO_TCP` and `CTA_PROTOINFO_TCP_STATE`.
    let tcp = attrs.nested(PROTOCOL_INFO, "conntrack state")?.nested(1, "conntrack state")?;
    if tcp.get(1).and_then(|state| state.first()).is_some_and(|state| *state >= LAST_ACK) {
        return Ok(None);
    }
    let read = |direction| tuple(attrs.nested(direction, "conntrack tuple")?);
    Ok(read(ORIGINAL)?.zip(read(REPLY)?).map(|(original, reply)| [original, reply]))
}

/// What is made of each entry.
fn list<T>(talk: &mut Talk, make: impl Fn(&[u8]) -> Result<Option<T>, Malformed>) -> Result<Vec<T>, NlError> {
    let mut made = Vec::new();
    let listed = talk.ask(WHAT, &Request::dump(GET, &[0; 4]), |message| {
        made.extend(make(message.body)?);
        Ok(())
    });
    match listed {
        // Entries come and go; those that were there when it began are in the list.
        Ok(()) | Err(NlError::Interrupted { .. }) => Ok(made),
        Err(error) => Err(error),
    }
}

/// Makes a request of each entry that calls for one; tells how many did.
fn for_each(request: impl Fn(&[u8]) -> Result<Option<Request>, Malformed>) -> Result<usize, NlError> {
    let mut talk = Talk::open(libc::NETLINK_NETFILTER, WHAT)?;
    let requests = list(&mut talk, request)?;
    for request in &requests {
        match talk.ask(WHAT, request, |_| Ok(())) {
            Err(error) if !error.is_absent() => return Err(error),
            // It may have ended since it was listed.
            _ => {}
        }
    }
    Ok(requests.len())
}

/// What is read of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Number of the protocol.
    pub proto: Option<u8>,
    /// The tuple it began with, as the kernel wrote it.
    pub original: &'a [u8],
    /// The zone it is in, likewise, if it is in one.
    pub zone: Option<&'a [u8]>,
}

/// Reads the body of an entry in a list.
pub fn parse(body: &[u8]) -> Result<Entry<'_>, Malformed> {
    let bad = Malformed { what: "conntrack entry" };
    let family = *body.first().ok_or(bad)?;
    let attrs = Attrs::parse(body.get(4..).ok_or(bad)?, "conntrack entry")?;
    let original = attrs.get(ORIGINAL).ok_or(bad)?;
    let protocol = Attrs::parse(original, "conntrack tuple")?.nested(2, "conntrack ports")?;
    let proto = protocol.get(1).and_then(|number| number.first().copied());
    Ok(Entry { family, proto, original, zone: attrs.get(ZONE) })
}

impl Entry<'_> {
    fn request(&self, kind: u16) -> Request {
        let request = Request::get(kind, &[self.family, 0, 0, 0]).attr(ORIGINAL | NESTED, self.original);
        match self.zone {
            Some(zone) => request.attr(ZONE, zone),
            None => request,
        }
    }
}

/// The request that makes the listed entry forgiving, if it is of TCP.
fn forgive(body: &[u8]) -> Result<Option<Request>, Malformed> {
    let entry = parse(body)?;
    // `CTA_PROTOINFO_TCP` with `CTA_PROTOINFO_TCP_FLAGS_ORIGINAL` and `_REPLY` in it.
    let flags = [nest(4, &BE_LIBERAL), nest(5, &BE_LIBERAL)].concat();
    let request = || entry.request(NEW).attr(PROTOCOL_INFO | NESTED, &nest(1 | NESTED, &flags));
    Ok((entry.proto == Some(TCP)).then(request))
}

fn nest(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len() + 4).expect("flags are short");
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes: Vec<u8>) {
            let _request = forgive(&bytes);
            let _flows = directions(&bytes);
        }

        #[test]
        fn any_bytes_in_an_entry_are_an_entry_or_an_error(at in 0..44_usize, byte: u8, end in 0..45_usize) {
            let mut entry = entry();
            entry[at] = byte;
            let _request = forgive(&entry[..end]);
            let _flows = directions(&entry[..end]);
        }
    }

    /// A connection from port 1000 in zone 5, as far as it is read.
    fn entry() -> Vec<u8> {
        let ports = nest(2 | NESTED, &[nest(1, &[TCP]), nest(2, &1_000_u16.to_be_bytes())].concat());
        let tuple = [nest(1 | NESTED, &nest(1, &[10, 0, 0, 1])), ports].concat();
        [vec![2, 0, 0, 0], nest(ORIGINAL | NESTED, &tuple), nest(ZONE, &[0, 5])].concat()
    }

    #[test]
    fn what_a_kernel_said_is_read() {
        let v4 = include_bytes!("../../../fuzz/seeds/netlink_answers/a-connection-v4.bin");
        let v6 = include_bytes!("../../../fuzz/seeds/netlink_answers/a-connection-v6.bin");
        let read =
            [&v4[..], v6].map(|seed| parse(seed).map(|e| (e.family, e.proto, e.original.len(), e.zone)));
        assert_eq!(read, [Ok((2, Some(TCP), 48, None)), Ok((10, Some(TCP), 72, None))]);
        for seed in [&v4[..], v6] {
            let [original, reply] = directions(seed).unwrap().unwrap();
            assert_eq!(reply, original.reversed(), "nothing is translated in it");
        }
    }

    #[test]
    fn a_conversation_that_is_over_is_none() {
        let tuple = |direction| {
            let address = [nest(1, &[10, 0, 0, 1]), nest(2, &[10, 0, 0, 2])].concat();
            let ports = [nest(1, &[TCP]), nest(2, &[0, 1]), nest(3, &[0, 2])].concat();
            nest(direction | NESTED, &[nest(1 | NESTED, &address), nest(2 | NESTED, &ports)].concat())
        };
        let state = |state| nest(PROTOCOL_INFO | NESTED, &nest(1 | NESTED, &nest(1, &[state])));
        let entry = |number| [vec![2, 0, 0, 0], tuple(ORIGINAL), tuple(REPLY), state(number)].concat();
        let there: Vec<_> = (0..=8).map(|state| directions(&entry(state)).unwrap().is_some()).collect();
        assert_eq!(there, [true, true, true, true, true, true, false, false, false]);
    }

    #[test]
    fn an_entrys_protocol_and_zone_are_read() {
        let bytes = entry();
        let entry = parse(&bytes).unwrap();
        assert_eq!((entry.family, entry.proto, entry.zone), (2, Some(TCP), Some([0, 5].as_slice())));
    }
}

#[cfg(test)]
mod root {
    use flyover_core::Proto;
    use flyover_host::cmd::Cmd;

    use super::*;
    use crate::testing::Room;

    #[test]
    fn entries_are_forgiven_or_forgotten_and_others_left_alone() {
        let room = Room::new("ctfor");
        room.run(|| {
            for (proto, more) in [("tcp", vec!["--state", "ESTABLISHED"]), ("udp", vec![])] {
                let ends = ["-s", "10.0.0.1", "-d", "10.0.0.2", "--sport", "1000", "--dport", "80"];
                let entry = ["-I", "-p", proto, "-t", "60"];
                Cmd::new("conntrack").args(entry).args(ends).args(more).run().unwrap();
            }
            let mut listed: Vec<_> = flows().unwrap().iter().map(|of| of.map(|f| f.to_string())).collect();
            listed.sort();
            let of = |proto| {
                [format!("{proto}:10.0.0.1:1000-10.0.0.2:80"), format!("{proto}:10.0.0.2:80-10.0.0.1:1000")]
            };
            assert_eq!(listed, [of("tcp"), of("udp")]);
            assert_eq!(forgive_tcp().unwrap(), 1);
            assert_eq!(forgive_tcp().unwrap(), 1, "again does no harm");
        });
        room.run(|| {
            assert_eq!(forget(|flow| flow.dst.port() == 81).unwrap(), 0);
            assert_eq!(forget(|flow| flow.proto == Proto::Udp && flow.dst.port() == 80).unwrap(), 1);
            assert_eq!(forget(|_| true).unwrap(), 1, "that of TCP was left");
        });
        assert_eq!(Room::new("ctfor-b").run(|| forgive_tcp().unwrap()), 0);
    }
}
