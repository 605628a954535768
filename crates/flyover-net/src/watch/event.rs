//! The words of a watch.

use flyover_core::{Flow, MacAddr};

use crate::nl::{Attrs, Malformed, ne32};

/// An event, and the namespace it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The other namespace's number in the watch's own one; none if it happened in the watch's own.
    pub nsid: Option<i32>,
    /// What happened.
    pub event: Event,
}

/// Something that may make what was learned wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link came, went, or changed in any way.
    Link {
        /// Which of these.
        change: LinkChange,
        /// The link as it is now, or as it was.
        link: Link,
    },
    /// A route came, went or changed.
    Route,
    /// A neighbour's link-layer address changed, or it can no longer be reached, or it was removed by hand.
    Neighbour {
        /// Index of the link it is on.
        ifindex: u32,
    },
    /// A bridge's or tunnel's forwarding entry moved or was removed by hand.
    Fdb {
        /// Index of the link it is on.
        ifindex: u32,
    },
    /// An address came, went or changed.
    Address {
        /// Index of the link it is on.
        ifindex: u32,
    },
    /// A routing policy rule came or went.
    Rule,
    /// A qdisc, class, filter or action of traffic control came, went or changed.
    Qdisc {
        /// Index of the link; none for a shared filter block or an action.
        ifindex: Option<u32>,
    },
    /// An IPsec policy came, went or changed.
    Xfrm,
    /// The nf_tables rule set changed and has this generation now.
    RulesetGeneration(u32),
    /// A conntrack entry of TCP or UDP is gone.
    ConntrackGone {
        /// The connection as its first packet had it.
        orig: Flow,
        /// What answers look like, after translation.
        reply: Flow,
        /// Its conntrack zone.
        zone: u16,
    },
    /// A number was given to, or taken from, another network namespace.
    Nsid {
        /// The number.
        nsid: i32,
        /// Whether it was taken away.
        gone: bool,
    },
    /// Events were lost, or one was not understood: everything may have changed.
    Lost,
}

/// What happened to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It is new or differs from before.
    Present,
    /// It no longer exists in this namespace.
    Gone,
    /// Its role as a port of a bridge changed or ended; the link itself stays.
    Port,
}

/// A link as an announcement describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its kind, such as `veth`, `bridge`, `vxlan`; none for hardware and for a bridge port's announcements.
    pub kind: Option<String>,
    /// Whether it was set up.
    pub up: bool,
    /// Whether it has a carrier.
    pub running: bool,
    /// Largest packet.
    pub mtu: Option<u32>,
    /// Its Ethernet address, if it has one.
    pub address: Option<MacAddr>,
    /// The bridge or bond it is a port of.
    pub master: Option<u32>,
    /// Index of the other end of a veth, or of the link below.
    pub peer: Option<u32>,
    /// The namespace the peer is in, if not this one.
    pub peer_nsid: Option<i32>,
    /// Whether an XDP program is attached.
    pub xdp: bool,
}

impl Link {
    /// Reads the body of an `RTM_NEWLINK` or `RTM_DELLINK`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "link";
        let bad = Malformed { what: WHAT };
        let (head, rest) = body.split_first_chunk::<16>().ok_or(bad)?;
        let attrs = Attrs::parse(rest, WHAT)?;
        let flags = head.get(8..).and_then(ne32).ok_or(bad)?;
        let info = attrs.nested(18, "link info")?;
        // IFLA_XDP holds IFLA_XDP_ATTACHED: 0 is none.
        let xdp = attrs.nested(43, "link xdp")?.get(2).is_some_and(|a| a.first().is_some_and(|a| *a != 0));
        Ok(Self {
            index: head.get(4..).and_then(ne32).ok_or(bad)?,
            name: attrs.text(3).unwrap_or_default(),
            kind: info.text(1),
            up: flags & libc::IFF_UP.cast_unsigned() != 0,
            running: flags & libc::IFF_RUNNING.cast_unsigned() != 0,
            mtu: attrs.ne32(4),
            address: attrs.get(1).and_then(|a| a.try_into().ok()).map(MacAddr),
            master: attrs.ne32(10),
            peer: attrs.ne32(5),
            peer_nsid: attrs.ne32(37).map(u32::cast_signed),
            xdp,
        })
    }
}
