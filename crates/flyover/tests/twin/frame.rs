//! From a [`Shot`] and its flow's addresses to the bytes that leave a device.
//!
//! Invariants: pure; what the shot does not call unusual is right, lengths and checksums too.

use std::net::IpAddr;

use crate::shot::{ACK, Body, Complaint, Extension, Shot, Sum, Twist};
use crate::sum::{checksum, fold, pseudo};
use crate::sys::{Frame, GSO_TCP4, GSO_TCP6, GSO_UDP, NEEDS_SUM, Offload};

/// Length of an Ethernet header.
pub(crate) const ETH: usize = 14;
/// First sequence number of each end, so that conntrack finds every segment in its window.
pub(crate) const SEQ: u32 = 1_000_000;
/// In the payload of packets that only tell that what was sent before them has arrived.
pub(crate) const FENCE: &[u8] = b"-behind-here-nothing-is-left-to-come-";

/// Where a packet goes, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) src_mac: [u8; 6],
    pub(crate) dst_mac: [u8; 6],
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
}

impl Line {
    fn reversed(&self) -> Self {
        Self { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport, ..*self }
    }

    fn is_v4(&self) -> bool {
        self.src.is_ipv4()
    }

    fn addresses(&self) -> Vec<u8> {
        [octets(self.src), octets(self.dst)].concat()
    }
}

pub(crate) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The frames a shot stands for: one, but for fragments.
pub(crate) fn frames(shot: &Shot, line: &Line) -> Vec<Frame> {
    let segment = Segment::of(shot, line);
    let packets = match shot.twist {
        Twist::Fragments(size) => fragments(shot, line, &segment, size),
        Twist::FirstFragment(size) => fragments(shot, line, &segment, size).into_iter().take(1).collect(),
        _ => vec![packet(shot, line, segment.proto, &segment.bytes, None)],
    };
    packets.into_iter().map(|packet| framed(shot, line, &segment, &packet)).collect()
}

fn framed(shot: &Shot, line: &Line, segment: &Segment, packet: &[u8]) -> Frame {
    let kind: u16 = if line.is_v4() { 0x0800 } else { 0x86dd };
    let bytes = [&line.dst_mac[..], &line.src_mac, &kind.to_be_bytes(), packet].concat();
    let mut offload = Offload::default();
    if let (Sum::Left | Sum::Segments(_), Twist::None) = (segment.sum, &shot.twist) {
        let l3 = if line.is_v4() { 20 } else { 40 };
        offload.flags = NEEDS_SUM;
        offload.sum_start = u16::try_from(ETH + l3).expect("headers are short");
        offload.sum_offset = segment.sum_at;
        if let Sum::Segments(size) = segment.sum {
            offload.gso_size = size;
            offload.hdr_len = offload.sum_start + segment.header;
            offload.gso_type = match (segment.proto, line.is_v4()) {
                (17, _) => GSO_UDP,
                (_, true) => GSO_TCP4,
                (_, false) => GSO_TCP6,
            };
        }
    }
    Frame { bytes, offload }
}

/// A transport segment.
struct Segment {
    proto: u8,
    bytes: Vec<u8>,
    sum: Sum,
    sum_at: u16,
    header: u16,
}

impl Segment {
    fn of(shot: &Shot, line: &Line) -> Self {
        let (proto, sum, sum_at, mut bytes) = match shot.body {
            Body::Udp { len, sum } => (17, sum, 6, udp(line, &payload(shot.id, len))),
            Body::Tcp { len, sum, flags, urgent, options } => {
                (6, sum, 16, tcp(line, &payload(shot.id, len), (flags, urgent, options)))
            }
            Body::Fence => (17, Sum::Left, 6, udp(line, FENCE)),
            Body::Echo { len } => {
                let head = [if line.is_v4() { 8 } else { 128 }, 0, 0, 0, 0xf1, 0x70];
                let id = shot.id.to_be_bytes();
                (icmp(line), Sum::Right, 2, [&head[..], &id, &payload(shot.id, len)].concat())
            }
            Body::Error(complaint) => (icmp(line), Sum::Right, 2, error(line, complaint)),
            Body::Other { proto, len } => (proto, Sum::Zero, 0, payload(shot.id, len)),
        };
        if let Twist::InnerLength(off) = shot.twist {
            match proto {
                17 => bytes[5] = bytes[5].wrapping_add_signed(off),
                6 => bytes[12] = bytes[12].wrapping_add_signed(off.wrapping_mul(16)),
                _ => {}
            }
        }
        let pseudo = if proto == 1 { Vec::new() } else { pseudo(&line.addresses(), proto, bytes.len()) };
        let right = match checksum(&[&pseudo, &bytes]) {
            0 if proto == 17 => 0xffff,
            sum => sum,
        };
        let written = match sum {
            Sum::Right => right,
            Sum::Zero => 0,
            Sum::Wrong => right ^ 0x0101,
            // What the device goes on from: the pseudo header's sum.
            Sum::Left | Sum::Segments(_) if shot.twist == Twist::None => !checksum(&[&pseudo]),
            Sum::Left | Sum::Segments(_) => right,
        };
        if sum_at > 0 {
            let at = usize::from(sum_at);
            bytes[at..at + 2].copy_from_slice(&written.to_be_bytes());
        }
        let header = if proto == 6 { u16::from(bytes[12] >> 4) * 4 } else { 8 };
        Self { proto, bytes, sum, sum_at, header }
    }
}

fn icmp(line: &Line) -> u8 {
    if line.is_v4() { 1 } else { 58 }
}

fn payload(id: u16, len: usize) -> Vec<u8> {
    let seed = id.to_be_bytes();
    (0..len).map(|i| seed[i % 2] ^ u8::try_from(i % 251).expect("it is less")).collect()
}

fn udp(line: &Line, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).expect("datagrams are short");
    let head = [line.sport, line.dport, len, 0].map(u16::to_be_bytes).concat();
    [&head[..], payload].concat()
}

fn tcp(line: &Line, payload: &[u8], (flags, urgent, options): (u8, u16, u8)) -> Vec<u8> {
    // A SYN stands before the first byte, and only segments with ACK acknowledge.
    let seq = if flags & 0x02 != 0 { SEQ } else { SEQ + 1 };
    let ack = if flags & ACK != 0 { SEQ + 1 } else { 0 };
    let head = [line.sport, line.dport].map(u16::to_be_bytes).concat();
    let numbers = [seq, ack].map(u32::to_be_bytes).concat();
    let tail = [60_000, 0, urgent].map(u16::to_be_bytes).concat();
    let options = vec![1; usize::from(options) * 4];
    let doff = u8::try_from(5 + options.len() / 4).expect("options are short") << 4;
    [&head[..], &numbers, &[doff, flags], &tail, &options, payload].concat()
}

fn error(line: &Line, complaint: Complaint) -> Vec<u8> {
    let (v4, v6, word) = match complaint {
        Complaint::TooBig(mtu) => ([3, 4], [2, 0], u32::from(mtu)),
        Complaint::PortUnreachable => ([3, 3], [1, 4], 0),
        Complaint::HostUnreachable => ([3, 1], [1, 3], 0),
        Complaint::TimeExceeded => ([11, 0], [3, 0], 0),
    };
    let offending = Shot::plain(Body::Udp { len: 64, sum: Sum::Right });
    let segment = Segment::of(&offending, &line.reversed());
    let quoted = packet(&offending, &line.reversed(), 17, &segment.bytes, None);
    let kind = if line.is_v4() { v4 } else { v6 };
    [&kind[..], &[0, 0], &word.to_be_bytes(), &quoted].concat()
}

fn fragments(shot: &Shot, line: &Line, segment: &Segment, size: usize) -> Vec<Vec<u8>> {
    let size = (size.min(segment.bytes.len() / 2) / 8 * 8).max(8);
    let chunks: Vec<_> = segment.bytes.chunks(size).collect();
    let place = |i: usize| u16::try_from(i * size / 8).expect("packets are short");
    let part = |(i, chunk): (usize, &&[u8])| {
        packet(shot, line, segment.proto, chunk, Some((place(i), i + 1 < chunks.len())))
    };
    chunks.iter().enumerate().map(part).collect()
}

/// An IP packet around a segment, or around a part of one.
fn packet(shot: &Shot, line: &Line, proto: u8, body: &[u8], part: Option<(u16, bool)>) -> Vec<u8> {
    let mut bytes =
        if line.is_v4() { v4(shot, line, proto, body, part) } else { v6(shot, line, proto, body, part) };
    match shot.twist {
        Twist::Trailer(len) => bytes.extend(vec![0xee; len]),
        Twist::Version(version) => bytes[0] = version << 4 | bytes[0] & 0x0f,
        _ => {}
    }
    bytes
}

fn v4(shot: &Shot, line: &Line, proto: u8, body: &[u8], part: Option<(u16, bool)>) -> Vec<u8> {
    let options = match shot.twist {
        Twist::Options { words, record_route: false } => vec![1; usize::from(words) * 4],
        Twist::Options { words, record_route: true } => {
            let mut room = vec![0; usize::from(words) * 4];
            room[..3].copy_from_slice(&[7, words * 4 - 1, 4]);
            room
        }
        _ => Vec::new(),
    };
    let header = 20 + options.len();
    let mut len = u16::try_from(header + body.len()).expect("packets are short");
    let (place, more) = part.unwrap_or((0, false));
    let mut frag = place | u16::from(more) << 13;
    // What asks not to be fragmented and is a fragment is another oddity than the one wanted here.
    frag |= u16::from(shot.df && part.is_none()) << 14;
    match shot.twist {
        Twist::LengthBeyond(more) => len += more,
        Twist::Reserved => frag |= 0x8000,
        _ => {}
    }
    let words = match shot.twist {
        Twist::ShortHeader(words) => words,
        _ => u8::try_from(header / 4).expect("headers are short"),
    };
    let head = [len, shot.id, frag].map(u16::to_be_bytes).concat();
    let mut ip =
        [&[0x40 | words, shot.tos][..], &head, &[shot.ttl, proto, 0, 0], &line.addresses(), &options]
            .concat();
    let mut sum = checksum(&[&ip]);
    if shot.twist == Twist::HeaderSum {
        sum = fold(u64::from(sum) + 1);
    }
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [&ip[..], body].concat()
}

fn v6(shot: &Shot, line: &Line, proto: u8, body: &[u8], part: Option<(u16, bool)>) -> Vec<u8> {
    let mut next = proto;
    let mut rest = body.to_vec();
    let mut chain: Vec<(u8, [u8; 8])> = Vec::new();
    if let Twist::Extensions(extensions) = &shot.twist {
        chain = extensions.iter().map(|&extension| extension_header(extension, shot.id)).collect();
    }
    if let Some((place, more)) = part {
        let word = (place << 3 | u16::from(more)).to_be_bytes();
        let id = shot.id.to_be_bytes();
        chain.push((44, [0, 0, word[0], word[1], 0, 0, id[0], id[1]]));
    }
    for (kind, mut header) in chain.into_iter().rev() {
        header[0] = next;
        rest = [&header[..], &rest].concat();
        next = kind;
    }
    let mut len = u16::try_from(rest.len()).expect("packets are short");
    if let Twist::LengthBeyond(more) = shot.twist {
        len += more;
    }
    let word = 6 << 28 | u32::from(shot.tos) << 20 | u32::from(shot.id);
    let head = [&word.to_be_bytes()[..], &len.to_be_bytes(), &[next, shot.ttl]].concat();
    [&head[..], &line.addresses(), &rest].concat()
}

/// Number and bytes of an extension header that asks for nothing; who comes next is written later.
fn extension_header(extension: Extension, id: u16) -> (u8, [u8; 8]) {
    match extension {
        Extension::HopByHop => (0, [0, 0, 1, 4, 0, 0, 0, 0]),
        Extension::Routing => (43, [0, 0, 4, 0, 0, 0, 0, 0]),
        Extension::Destination => (60, [0, 0, 1, 4, 0, 0, 0, 0]),
        Extension::AtomicFragment => (44, [0, 0, 0, 0, 0, 0, id.to_be_bytes()[0], id.to_be_bytes()[1]]),
    }
}
