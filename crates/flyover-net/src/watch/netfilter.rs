//! Announcements of nfnetlink as events.

use std::net::{IpAddr, SocketAddr};

use flyover_core::{Flow, Proto};

use super::event::Event;
use crate::nl::{Attrs, Malformed, Message, be16, messages};

/// `NFT_MSG_NEWGEN` of nf_tables: the last message of each change.
const NEW_GENERATION: u16 = 10 << 8 | 15;
/// `IPCTNL_MSG_CT_DELETE` of conntrack.
const CONNTRACK_GONE: u16 = 1 << 8 | 2;

/// What a datagram of nfnetlink announces. Never panics; what it does not understand is [`Event::Lost`].
#[must_use]
pub fn decode(datagram: &[u8]) -> Vec<Event> {
    let events = messages(datagram).filter_map(|message| match message.and_then(|m| one(&m)) {
        Ok(event) => event,
        Err(error) => {
            tracing::warn!(%error, "an announcement of nfnetlink was not understood");
            Some(Event::Lost)
        }
    });
    events.collect()
}

fn one(message: &Message<'_>) -> Result<Option<Event>, Malformed> {
    if !matches!(message.kind, NEW_GENERATION | CONNTRACK_GONE) {
        return Ok(None);
    }
    let bad = Malformed { what: "nfnetlink announcement" };
    let attrs = Attrs::parse(message.body.get(4..).ok_or(bad)?, "nfnetlink announcement")?;
    match message.kind {
        NEW_GENERATION => Ok(Some(Event::RulesetGeneration(attrs.be32(1).ok_or(bad)?))),
        _ => conntrack(attrs),
    }
}

/// Entries of other protocols than TCP and UDP are nobody's: such packets are never bypassed.
fn conntrack(attrs: Attrs<'_>) -> Result<Option<Event>, Malformed> {
    let (orig, reply) = (attrs.nested(1, "conntrack tuple")?, attrs.nested(2, "conntrack tuple")?);
    let zone = attrs.get(18).and_then(be16).unwrap_or_default();
    let (Some(orig), Some(reply)) = (tuple(orig)?, tuple(reply)?) else { return Ok(None) };
    Ok(Some(Event::ConntrackGone { orig, reply, zone }))
}

/// The flow of a conntrack tuple; none if it is neither TCP nor UDP.
pub(crate) fn tuple(attrs: Attrs<'_>) -> Result<Option<Flow>, Malformed> {
    let bad = Malformed { what: "conntrack tuple" };
    let (ip, proto) = (attrs.nested(1, "conntrack addresses")?, attrs.nested(2, "conntrack ports")?);
    let number = proto.get(1).and_then(|p| p.first()).ok_or(bad)?;
    let Some(known) = Proto::from_number(*number) else { return Ok(None) };
    let address = |v4, v6| ip.get(v4).or_else(|| ip.get(v6)).and_then(address);
    let port = |kind| proto.get(kind).and_then(be16);
    let end = |ip: Option<IpAddr>, port: Option<u16>| Some(SocketAddr::new(ip?, port?));
    let src = end(address(1, 3), port(2)).ok_or(bad)?;
    let dst = end(address(2, 4), port(3)).ok_or(bad)?;
    Ok(Some(Flow { proto: known, src, dst }))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nl::Request;

    proptest! {
        #[test]
        fn any_body_is_decoded_without_panic(gone: bool, body in prop::collection::vec(any::<u8>(), 0..100)) {
            let kind = if gone { CONNTRACK_GONE } else { NEW_GENERATION };
            let _events = decode(&Request::get(kind, &body).bytes(0));
        }
    }

    #[test]
    fn an_entry_without_addresses_is_a_loss() {
        assert_eq!(decode(&Request::get(CONNTRACK_GONE, &[2, 0, 0, 0]).bytes(0)), [Event::Lost]);
    }
}
