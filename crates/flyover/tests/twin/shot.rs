//! One packet that a test sends, as a description: what is said here is all there is to a test's case.
//!
//! Invariant: pure data. A description does not know its addresses; those are the flow's.

use flyover_core::Proto;

/// A packet of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shot {
    /// From the far end.
    pub(crate) back: bool,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// "Don't fragment"; IPv6 has none.
    pub(crate) df: bool,
    /// Identification, or the low bits of the flow label.
    pub(crate) id: u16,
    pub(crate) body: Body,
    pub(crate) twist: Twist,
}

/// What is in the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Udp {
        len: usize,
        sum: Sum,
    },
    Tcp {
        len: usize,
        sum: Sum,
        flags: u8,
        urgent: u16,
        options: u8,
    },
    Echo {
        len: usize,
    },
    /// An ICMP error about a packet of the other direction.
    Error(Complaint),
    /// The packet that comes last.
    Fence,
    /// A protocol that has no flows.
    Other {
        proto: u8,
        len: usize,
    },
}

/// Who writes the transport checksum, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    Right,
    /// None; UDP over IPv4 may.
    Zero,
    /// One that does not hold.
    Wrong,
    /// Left to the device, as local sockets do.
    Left,
    /// Left to the device, with segmentation into payloads of that size.
    Segments(u16),
}

/// What an ICMP error complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    TooBig(u16),
    PortUnreachable,
    HostUnreachable,
    TimeExceeded,
}

/// What is unusual about the network header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    /// IPv4 options: so many words of no-operation, or a record-route of so many words.
    Options {
        words: u8,
        record_route: bool,
    },
    /// IPv6 extension headers, outermost first.
    Extensions(Vec<Extension>),
    /// In fragments of at most that many bytes of payload.
    Fragments(usize),
    /// Only the first fragment.
    FirstFragment(usize),
    /// Bytes behind the packet.
    Trailer(usize),
    /// The length says more than there is.
    LengthBeyond(u16),
    /// The transport's own length is off by that much.
    InnerLength(i8),
    /// The header's checksum does not hold.
    HeaderSum,
    /// Too few words of header.
    ShortHeader(u8),
    /// Another version than the Ethernet type says.
    Version(u8),
    /// The reserved bit of IPv4's flags.
    Reserved,
}

/// An IPv6 extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    HopByHop,
    Routing,
    Destination,
    AtomicFragment,
}

/// Bytes of payload that fit any lab's pods in one packet, whatever is in front of them.
pub(crate) const FITS: usize = 1_300;
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;

impl Shot {
    /// A packet with nothing unusual about it.
    pub(crate) fn plain(body: Body) -> Self {
        Self { back: false, ttl: 64, tos: 0, df: true, id: 0x1234, body, twist: Twist::None }
    }

    /// The same with one thing changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The packet that makes this one's class known: everything unusual taken away.
    pub(crate) fn herald(&self, proto: Proto) -> Self {
        let body = match proto {
            Proto::Tcp => Body::Tcp { len: 8, sum: Sum::Left, flags: ACK | PSH, urgent: 0, options: 0 },
            _ => Body::Udp { len: 8, sum: Sum::Left },
        };
        Self { ttl: 64, tos: self.tos & 0xfc, id: 0x4e0d, body, twist: Twist::None, ..*self }
    }

    /// Whether the bypass takes it for certain on both nodes, if the flow is open.
    pub(crate) fn is_fast(&self, way: Way) -> bool {
        let fits = |sum| match sum {
            // Over a tunnel the far end sees an outer checksum that nobody has vouched for.
            Sum::Right => way != Way::Tunnel && self.len() <= FITS,
            // What fits no lab's devices is refused by the sender's own.
            Sum::Left => self.len() <= FITS,
            // Segments of UDP that a device has not cut are nobody's we know.
            Sum::Segments(size) => usize::from(size) <= FITS && matches!(self.body, Body::Tcp { .. }),
            Sum::Zero | Sum::Wrong => false,
        };
        let body = match self.body {
            Body::Udp { sum, .. } => fits(sum),
            Body::Tcp { sum, .. } => fits(sum) && !self.ends(),
            _ => false,
        };
        body && self.ttl > 4 && self.twist == Twist::None
    }

    /// Whether the bypass may not take it on the first node it comes to, or on any.
    pub(crate) fn is_slow(&self, first: bool) -> bool {
        let body = match self.body {
            Body::Udp { .. } => false,
            Body::Tcp { .. } => self.ends(),
            _ => true,
        };
        let twist = match &self.twist {
            // What is too short is sent whole; what is off may be off by nothing.
            // Conntrack puts fragments together, and what is small enough leaves whole.
            Twist::Fragments(_) | Twist::FirstFragment(_) => first && self.len() >= 16,
            // The first node's stack cuts off what is behind the packet. What fills up a frame of 60 bytes is a card's.
            Twist::Trailer(bytes) => first && self.len() + bytes > 18,
            Twist::Extensions(e) if e.contains(&Extension::AtomicFragment) => first,
            Twist::None | Twist::InnerLength(_) | Twist::Version(_) => false,
            _ => true,
        };
        body || self.ttl < 2 || twist
    }

    /// How many packets it may become.
    pub(crate) fn parts(&self) -> u64 {
        match self.body {
            Body::Udp { len, sum: Sum::Segments(size) } | Body::Tcp { len, sum: Sum::Segments(size), .. } => {
                len.div_ceil(usize::from(size)) as u64
            }
            _ => 1,
        }
    }

    fn len(&self) -> usize {
        match self.body {
            Body::Udp { len, .. } | Body::Tcp { len, .. } | Body::Echo { len } | Body::Other { len, .. } => {
                len
            }
            Body::Error(_) | Body::Fence => 0,
        }
    }

    /// Whether it begins or ends a connection, or pretends to.
    pub(crate) fn ends(&self) -> bool {
        matches!(self.body, Body::Tcp { flags, .. } if flags & (SYN | FIN | RST | ACK) != ACK)
    }
}

/// How a flow's packets get from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through a tunnel.
    Tunnel,
    /// Over the wire as they are.
    Plain,
    /// Over the node's bridge.
    Bridge,
}
