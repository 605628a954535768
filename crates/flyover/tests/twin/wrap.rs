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
            // Without a checksum there is nothing to vouch for.
            Flaw::Unvouched | Flaw::WrongSum => !self.flaws.contains(&Flaw::NoSum),
            Flaw::Vni(number) => *number != 1,
            Flaw::Source(_) | Flaw::Port(_) => true,
            Flaw::Fragment | Flaw::Atomic | Flaw::Halves | Flaw::Cut(_) => true,
            // It may be the right one.
            Flaw::InnerKind(_) => false,
            Flaw::Flags(flags) => *flags != 0x0800_0000,
            Flaw::Reserved(byte) | Flaw::InnerDestination(byte) | Flaw::InnerSource(byte) => *byte != 0,
            Flaw::UdpLength(off) | Flaw::IpLength(off) => *off != 0,
            Flaw::Tos(tos) => tos & 3 == 3,
            Flaw::Ttl(_) | Flaw::SourcePort(_) | Flaw::NoSum => false,
        };
        self.inner.is_slow(true) || self.flaws.iter().any(forbidden)
    }

    /// The frame, or two of them; `line` is how the inner packet left its pod.
    pub(crate) fn frames(&self, line: &Line) -> Vec<Frame> {
        let family = if line.src.is_ipv4() { Family::V4 } else { Family::V6 };
        let mut inner = frames(&self.inner, line).remove(0);
        let l3 = if family == Family::V4 { 20 } else { 40 };
        // The inner checksum is written: a device that vouches for the outer one has seen it.
        if inner.offload.flags & NEEDS_SUM != 0 {
            let (start, at) = (ETH + l3, ETH + l3 + usize::from(inner.offload.sum_offset));
            let sum = checksum(&[&inner.bytes[start..]]);
            inner.bytes[at..at + 2].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
        }
        // Congestion met inside is not said outside.
        let ecn = if self.inner.tos & 3 == 3 { 2 } else { self.inner.tos & 3 };
        let (mut macs, mut kind) = ([vtep_mac(family, 1).0, vtep_mac(family, 2).0], None);
        let (mut vni, mut flags, mut reserved) = (1, 0x0800_0000_u32, 0);
        let (mut ttl, mut tos, mut sport, mut dport) = (64, ecn, 40_000, VXLAN_PORT);
        let (mut udp_off, mut ip_off, mut fragment, mut halves) = (0, 0, None, false);
        let (mut vouched, mut wrong, mut none) = (true, false, false);
        let mut src = octets(node(family, 2));
        for flaw in &self.flaws {
            match *flaw {
                Flaw::Vni(number) => vni = number,
                Flaw::Flags(word) => flags = word,
                Flaw::Reserved(byte) => reserved = byte,
                Flaw::Source(byte) => *src.last_mut().expect("addresses have bytes") = byte,
                Flaw::Ttl(hops) => ttl = hops,
                Flaw::Tos(byte) => tos = byte,
                Flaw::SourcePort(port) => sport = port,
                Flaw::Port(port) => (sport, dport) = (VXLAN_PORT, port),
                Flaw::UdpLength(off) => udp_off = off,
                Flaw::IpLength(off) => ip_off = off,
                Flaw::Unvouched => vouched = false,
                Flaw::WrongSum => (vouched, wrong) = (false, true),
                Flaw::NoSum => none = true,
                Flaw::Fragment => fragment = Some(true),
                Flaw::Atomic => fragment = Some(false),
                // No device sums a part.
                Flaw::Halves => (halves, vouched) = (true, false),
                Flaw::Cut(bytes) => {
                    let left = inner.bytes.len().saturating_sub(bytes);
                    inner.bytes.truncate(left);
                }
                Flaw::InnerDestination(byte) => macs[0][5] ^= byte,
                Flaw::InnerSource(byte) => macs[1][5] ^= byte,
                Flaw::InnerKind(number) => kind = Some(number),
            }
        }
        let eth = inner.bytes.len().min(12);
        inner.bytes[..eth].copy_from_slice(&macs.concat()[..eth]);
        if let (Some(kind), Some(there)) = (kind, inner.bytes.get_mut(12..14)) {
            there.copy_from_slice(&kind.to_be_bytes());
        }
        let tunnel = [flags.to_be_bytes(), (vni << 8 | u32::from(reserved)).to_be_bytes()].concat();
        let off =
            |len: usize, off: i16| u16::try_from(len).expect("short").wrapping_add_signed(off).to_be_bytes();
        let len = 8 + tunnel.len() + inner.bytes.len();
        let ports = [sport, dport].map(u16::to_be_bytes).concat();
        let mut udp = [&ports[..], &off(len, udp_off), &[0, 0], &tunnel, &inner.bytes].concat();
        let addresses = [src, octets(node(family, 1))].concat();
        let pseudo = pseudo(&addresses, 17, len);
        let sum = match (none, vouched) {
            (true, _) => 0,
            (false, true) => !checksum(&[&pseudo]),
            (false, false) => checksum(&[&pseudo, &udp]) ^ u16::from(wrong),
        };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        let ip = |part: &[u8], place: usize, fragment: Option<bool>| {
            let (more, place) = (fragment == Some(true), u16::try_from(place).expect("short"));
            match family {
                Family::V4 => {
                    let frag = (u16::from(more) << 13) | (place / 8);
                    let head =
                        [&off(20 + part.len(), ip_off)[..], &[0x12, 0x34], &frag.to_be_bytes()].concat();
                    let mut ip = [&[0x45, tos][..], &head, &[ttl, 17, 0, 0], &addresses].concat();
                    let sum = fold(u64::from(checksum(&[&ip])));
                    ip[10..12].copy_from_slice(&sum.to_be_bytes());
                    ip
                }
                Family::V6 => {
                    let word = (6 << 28 | u32::from(tos) << 20).to_be_bytes();
                    let [high, low] = (place | u16::from(more)).to_be_bytes();
                    let extra = fragment.map(|_| [17, 0, high, low, 0, 0, 0x12, 0x34]);
                    let extra = extra.as_ref().map_or(&[][..], |header| header);
                    let next = if extra.is_empty() { 17 } else { 44 };
                    let len = off(extra.len() + part.len(), ip_off);
                    [&word[..], &len, &[next, ttl], &addresses, extra].concat()
                }
            }
        };
        let kind: u16 = if family == Family::V4 { 0x0800 } else { 0x86dd };
        let eth = [&uplink_mac(1).0[..], &uplink_mac(2).0, &kind.to_be_bytes()].concat();
        let mut offload = Offload::default();
        if vouched && !none {
            offload.flags = NEEDS_SUM;
            offload.sum_start = u16::try_from(ETH + ip(&udp, 0, fragment).len()).expect("headers are short");
            offload.sum_offset = 6;
        }
        let frame = |part: &[u8], place, fragment| {
            let bytes = [&eth, &ip(part, place, fragment)[..], part].concat();
            Frame { bytes, offload }
        };
        if !halves {
            return vec![frame(&udp, 0, fragment)];
        }
        let half = udp.len() / 16 * 8;
        vec![frame(&udp[..half], 0, Some(true)), frame(&udp[half..], half, Some(false))]
    }
}
