//! A tunnelled packet as it comes to an uplink, and what may be wrong with it.
//!
//! Invariant: pure; without flaws it is what the other node's tunnel device would send.

use flyover_lab::Family;
use flyover_lab::address::{node, uplink_mac, vtep_mac};

use crate::frame::{ETH, Line, frames, octets};
use crate::shot::{Shot, Way};
use crate::sum::{checksum, fold, pseudo};
use crate::sys::{Frame, NEEDS_SUM, Offload};

/// A packet in a tunnel's clothes.
#[derive(Clone, Debug)]
pub(crate) struct Wrap {
    pub(crate) inner: Shot,
    pub(crate) flaws: Vec<Flaw>,
}

/// What is unusual, or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Vni(u32),
    /// The first four bytes of the tunnel header: flags, and what is reserved.
    Flags(u32),
    /// The last byte of the tunnel header.
    Reserved(u8),
    /// The last byte of the outer source address.
    Source(u8),
    Ttl(u8),
    Tos(u8),
    SourcePort(u16),
    /// From the tunnel's port to another.
    Port(u16),
    /// The outer UDP length is off by that much.
    UdpLength(i16),
    /// The outer IP length is off by that much.
    IpLength(i16),
    /// Nobody vouches for the outer checksum, which holds.
    Unvouched,
    /// Nobody vouches for the outer checksum, which does not hold.
    WrongSum,
    /// There is no outer checksum.
    NoSum,
    /// The outer packet is a first fragment.
    Fragment,
    /// The outer packet is a fragment and has no others; IPv4 has no such thing.
    Atomic,
    /// The outer packet comes as two fragments.
    Halves,
    /// So many bytes are cut off the inner packet's end, and the outer lengths know.
    Cut(usize),
    /// The inner Ethernet header names another destination, or source.
    InnerDestination(u8),
    InnerSource(u8),
    /// Not IP inside.
    InnerKind(u16),
}

const VXLAN_PORT: u16 = 8_472;

impl Wrap {
    /// Whether the bypass takes it for certain.
    pub(crate) fn is_fast(&self) -> bool {
        let harmless = |flaw: &Flaw| match flaw {
            Flaw::Tos(tos) => tos & 3 == self.inner.tos & 3 && tos & 3 != 3,
            Flaw::Ttl(_) | Flaw::SourcePort(_) => true,
            _ => false,
        };
        self.inner.is_fast(Way::Tunnel) && self.inner.ttl > 4 && self.flaws.iter().all(harmless)
    }

    /// Whether the bypass may not take it.
    pub(crate) fn is_slow(&self) -> bool {
        let forbidden = |flaw: &Flaw| match flaw {
            // Without a checksum none can be wrong; one that nobody vouches for may be summed.
            Flaw::WrongSum => !self.flaws.contains(&Flaw::NoSum),
            Flaw::Vni(number) => *number != 1,
            Flaw::Source(_) | Flaw::Port(_) => true,
            Flaw::Fragment | Flaw::Atomic | Flaw::Halves | Flaw::Cut(_) => true,
            // It may be the right one.
            Flaw::InnerKind(_) => false,
            Flaw::Flags(flags) => *flags != 0x0800_0000,
            Flaw::Reserved(byte) | Flaw::InnerDestination(byte) | Flaw::InnerSource(byte) => *byte != 0,
            Flaw::UdpLength(off) | Flaw::IpLength(off) => *off != 0,
            Flaw::Tos(tos) => tos & 3 == 3,
            Flaw::Ttl(_) | Flaw::SourcePort(_) | Flaw::NoSum | Flaw::Unvouched => false,
        };
        self.inner.is_slow(true) || self.flaws.iter().any(forbidden)
    }

    /// The frame, or two of them; `line` is how the inner packet left its pod.
    pub(crate) fn frames(&self, line: &Line) -> Vec<Frame> {
        let family = if line.src.is_ipv4() { Family::V4 } else { Family::V6 };
        let outer = self.outer(family);
        let udp = outer.udp(&self.inside(family, line));
        if !outer.halves {
            return vec![outer.frame(&udp, 0, outer.fragment)];
        }
        let half = udp.len() / 16 * 8;
        vec![outer.frame(&udp[..half], 0, Some(true)), outer.frame(&udp[half..], half, Some(false))]
    }

    /// The inner frame.
    fn inside(&self, family: Family, line: &Line) -> Vec<u8> {
        let inner = frames(&self.inner, line).remove(0);
        let mut bytes = inner.bytes;
        // The inner checksum is written: a device that vouches for the outer one has seen it.
        if inner.offload.flags & NEEDS_SUM != 0 {
            let start = ETH + header(family);
            let at = start + usize::from(inner.offload.sum_offset);
            let sum = checksum(&[&bytes[start..]]);
            bytes[at..at + 2].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
        }
        let mut macs = [vtep_mac(family, 1).0, vtep_mac(family, 2).0];
        let mut kind = None;
        for flaw in &self.flaws {
            match *flaw {
                Flaw::Cut(cut) => bytes.truncate(bytes.len().saturating_sub(cut)),
                Flaw::InnerDestination(byte) => macs[0][5] ^= byte,
                Flaw::InnerSource(byte) => macs[1][5] ^= byte,
                Flaw::InnerKind(number) => kind = Some(number),
                _ => {}
            }
        }
        let eth = bytes.len().min(12);
        bytes[..eth].copy_from_slice(&macs.concat()[..eth]);
        if let (Some(kind), Some(there)) = (kind, bytes.get_mut(12..14)) {
            there.copy_from_slice(&u16::to_be_bytes(kind));
        }
        bytes
    }

    fn outer(&self, family: Family) -> Outer {
        // Congestion met inside is not said outside.
        let ecn = if self.inner.tos & 3 == 3 { 2 } else { self.inner.tos & 3 };
        let mut outer = Outer::usual(family, ecn);
        for flaw in &self.flaws {
            match *flaw {
                Flaw::Vni(number) => outer.vni = number,
                Flaw::Flags(word) => outer.flags = word,
                Flaw::Reserved(byte) => outer.reserved = byte,
                Flaw::Source(byte) => *outer.src.last_mut().expect("addresses have bytes") = byte,
                Flaw::Ttl(hops) => outer.ttl = hops,
                Flaw::Tos(byte) => outer.tos = byte,
                Flaw::SourcePort(port) => outer.ports[0] = port,
                Flaw::Port(port) => outer.ports = [VXLAN_PORT, port],
                Flaw::UdpLength(off) => outer.udp_off = off,
                Flaw::IpLength(off) => outer.ip_off = off,
                Flaw::Unvouched => outer.vouched = false,
                Flaw::WrongSum => (outer.vouched, outer.wrong) = (false, true),
                Flaw::NoSum => outer.none = true,
                Flaw::Fragment => outer.fragment = Some(true),
                Flaw::Atomic => outer.fragment = Some(false),
                // No device sums a part.
                Flaw::Halves => (outer.halves, outer.vouched) = (true, false),
                Flaw::Cut(_) | Flaw::InnerDestination(_) | Flaw::InnerSource(_) | Flaw::InnerKind(_) => {}
            }
        }
        outer
    }
}

/// What is around an inner frame.
struct Outer {
    family: Family,
    src: Vec<u8>,
    ports: [u16; 2],
    vni: u32,
    flags: u32,
    reserved: u8,
    ttl: u8,
    tos: u8,
    udp_off: i16,
    ip_off: i16,
    /// Whether more of it follows.
    fragment: Option<bool>,
    halves: bool,
    vouched: bool,
    wrong: bool,
    none: bool,
}

/// Length of an IP header.
fn header(family: Family) -> usize {
    if family == Family::V4 { 20 } else { 40 }
}

fn off_by(len: usize, off: i16) -> [u8; 2] {
    u16::try_from(len).expect("packets are short").wrapping_add_signed(off).to_be_bytes()
}

impl Outer {
    fn usual(family: Family, ecn: u8) -> Self {
        Self {
            family,
            src: octets(node(family, 2)),
            ports: [40_000, VXLAN_PORT],
            vni: 1,
            flags: 0x0800_0000,
            reserved: 0,
            ttl: 64,
            tos: ecn,
            udp_off: 0,
            ip_off: 0,
            fragment: None,
            halves: false,
            vouched: true,
            wrong: false,
            none: false,
        }
    }

    fn addresses(&self) -> Vec<u8> {
        [&self.src[..], &octets(node(self.family, 1))].concat()
    }

    fn udp(&self, inside: &[u8]) -> Vec<u8> {
        let tunnel = [self.flags, self.vni << 8 | u32::from(self.reserved)].map(u32::to_be_bytes).concat();
        let len = 8 + tunnel.len() + inside.len();
        let ports = self.ports.map(u16::to_be_bytes).concat();
        let mut udp = [&ports[..], &off_by(len, self.udp_off), &[0, 0], &tunnel, inside].concat();
        let pseudo = pseudo(&self.addresses(), 17, len);
        let sum = match (self.none, self.vouched) {
            (true, _) => 0,
            (false, true) => !checksum(&[&pseudo]),
            (false, false) => checksum(&[&pseudo, &udp]) ^ u16::from(self.wrong),
        };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        udp
    }

    /// A frame with that part of the datagram, which is at that place in it.
    fn frame(&self, part: &[u8], place: usize, fragment: Option<bool>) -> Frame {
        let place = u16::try_from(place).expect("packets are short");
        let (kind, ip): (u16, _) = match self.family {
            Family::V4 => (0x0800, self.ip4(part.len(), place, fragment)),
            Family::V6 => (0x86dd, self.ip6(part.len(), place, fragment)),
        };
        let bytes = [&uplink_mac(1).0[..], &uplink_mac(2).0, &kind.to_be_bytes(), &ip, part].concat();
        let mut offload = Offload::default();
        if self.vouched && !self.none {
            offload.flags = NEEDS_SUM;
            offload.sum_start = u16::try_from(ETH + ip.len()).expect("headers are short");
            offload.sum_offset = 6;
        }
        Frame { bytes, offload }
    }

    fn ip4(&self, len: usize, place: u16, fragment: Option<bool>) -> Vec<u8> {
        let frag = u16::from(fragment == Some(true)) << 13 | (place / 8);
        let head = [off_by(20 + len, self.ip_off), [0x12, 0x34], frag.to_be_bytes()].concat();
        let mut ip = [&[0x45, self.tos], &head[..], &[self.ttl, 17, 0, 0], &self.addresses()].concat();
        let sum = fold(u64::from(checksum(&[&ip])));
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip
    }

    fn ip6(&self, len: usize, place: u16, fragment: Option<bool>) -> Vec<u8> {
        let word = (6 << 28 | u32::from(self.tos) << 20).to_be_bytes();
        let [high, low] = (place | u16::from(fragment == Some(true))).to_be_bytes();
        let extra = fragment.map_or(Vec::new(), |_| vec![17, 0, high, low, 0, 0, 0x12, 0x34]);
        let next = if extra.is_empty() { 17 } else { 44 };
        let len = off_by(extra.len() + len, self.ip_off);
        [&word[..], &len, &[next, self.ttl], &self.addresses(), &extra].concat()
    }
}
