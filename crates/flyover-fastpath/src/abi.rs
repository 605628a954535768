//! The layout of the maps, as `bpf/shared.h` has it.
//!
//! Invariant: field for field the same as the C structs; the sizes are asserted on both sides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytemuck::{Pod, Zeroable};
use flyover_core::{Flow, Proto};

/// Version of the layout, `FO_LAYOUT`.
pub const LAYOUT: u32 = 2;

/// `struct fo_tuple`: a flow as one end of a hop sees it, in network byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Tuple {
    /// Source address; IPv4 in the first four bytes.
    pub saddr: [u8; 16],
    /// Destination address.
    pub daddr: [u8; 16],
    /// Source port, big-endian.
    pub sport: [u8; 2],
    /// Destination port, big-endian.
    pub dport: [u8; 2],
    /// Transport protocol.
    pub proto: u8,
    /// 4 or 6.
    pub family: u8,
    /// Always nought.
    pub zero: [u8; 2],
}

impl Tuple {
    /// The flow it stands for; none if the protocol or family is not one of ours.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        let ip = |bytes: [u8; 16]| match self.family {
            4 => Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
            6 => Some(IpAddr::V6(Ipv6Addr::from(bytes))),
            _ => None,
        };
        Some(Flow {
            proto: Proto::from_number(self.proto)?,
            src: SocketAddr::new(ip(self.saddr)?, u16::from_be_bytes(self.sport)),
            dst: SocketAddr::new(ip(self.daddr)?, u16::from_be_bytes(self.dport)),
        })
    }
}

impl Tuple {
    /// `flow_hash()` of bpf/books.h, for no network in particular.
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        let word = |bytes: &[u8; 16], i: usize| {
            bytes.chunks_exact(4).nth(i).and_then(|w| w.try_into().ok()).map_or(0, u32::from_ne_bytes)
        };
        let both = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        let (s, d) = (|i| word(&self.saddr, i), |i| word(&self.daddr, i));
        let mix = |h: u64, factor: u64| {
            let h = h.wrapping_mul(factor);
            h ^ h >> 32
        };
        let mut h = mix(seed ^ both(s(0), d(0)), 0x9e37_79b9_7f4a_7c15);
        if self.family == 6 {
            h = mix(h ^ both(s(1), d(1)), 0xff51_afd7_ed55_8ccd);
            h = mix(h ^ both(s(2) ^ d(3), d(2) ^ s(3)), 0x9e37_79b9_7f4a_7c15);
        }
        let [a, b] = self.sport;
        let [c, e] = self.dport;
        let ports = u32::from_ne_bytes([a, b, c, e]);
        let kind = u32::from_ne_bytes([self.proto, self.family, 0, 0]);
        mix(h ^ both(kind, ports), 0xc4ce_b9fe_1a85_ec53)
    }
}

impl From<Flow> for Tuple {
    fn from(flow: Flow) -> Self {
        let bytes = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => {
                let mut all = [0; 16];
                all[..4].copy_from_slice(&v4.octets());
                all
            }
            IpAddr::V6(v6) => v6.octets(),
        };
        Self {
            saddr: bytes(flow.src.ip()),
            daddr: bytes(flow.dst.ip()),
            sport: flow.src.port().to_be_bytes(),
            dport: flow.dst.port().to_be_bytes(),
            proto: flow.proto.number(),
            family: if flow.src.is_ipv4() { 4 } else { 6 },
            zero: [0; 2],
        }
    }
}

/// `struct fo_key`: where and as what a packet enters the node.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Key {
    /// The flow on entry.
    pub tuple: Tuple,
    /// Device of entry.
    pub ifindex: u32,
    /// VNI in the low 24 bits, class in the high 8.
    pub place: u32,
}

impl Key {
    /// VNI of the tunnel it comes by; none if it comes by none.
    #[must_use]
    pub fn vni(&self) -> Option<u32> {
        (self.place >> 24 & 0x02 != 0).then_some(self.place & 0x00ff_ffff)
    }

    /// DSCP of the packets, as it stands in the header's byte.
    #[must_use]
    pub fn dscp(&self) -> u8 {
        (self.place >> 24) as u8 & 0xfc
    }
}

/// What an entry does with a packet: `enum fo_action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Into a pod on this node.
    Peer,
    /// Out of the uplink in a tunnel.
    Encap,
    /// Out of the uplink as it is.
    Plain,
}

/// `struct fo_way`: an entry of the bypass, one direction of a flow. `epoch` and `open` are the halves of its `grant`
/// on machines that write the low one first.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[expect(missing_docs, reason = "the fields are described in bpf/shared.h")]
pub struct Way {
    pub guard: u32,
    pub proven: u32,
    pub lease: u64,
    pub epoch: u32,
    pub open: u32,
    pub packets: u64,
    pub bytes: u64,
    pub born: u64,
    pub renewals: u64,
    pub zero: u64,
    pub key: Key,
    pub out: u32,
    pub action: u8,
    pub flags: u8,
    pub ttl_dec: u8,
    pub outer_family: u8,
    pub hdr_len: u16,
    pub strip: u16,
    pub mtu: u16,
    pub nat_ip: u16,
    pub nat_addr: u32,
    pub nat_port: u32,
    pub sum_ip: u32,
    pub sum_udp: u32,
    pub in_eth: [u8; 12],
    pub tunnel: u32,
    pub mark: u32,
    pub priority: u32,
    pub hdr: [u8; 152],
    pub tunnel_hdr: [u8; 72],
    pub outer_src: [u8; 16],
    pub outer_dst: [u8; 16],
    pub to: Tuple,
    pub twin: Key,
}

/// `FO_NAT`: the tuple changes on the way.
pub const FLAG_NAT: u8 = 0x01;
/// `FO_NO_CT`: conntrack does not know the flow.
pub const FLAG_NO_CT: u8 = 0x04;

impl Way {
    /// Whether a flow is in it, wholly written.
    pub(crate) fn is_used(&self) -> bool {
        self.guard != 0 && self.guard & 1 == 0 && self.lease != 0
    }

    /// Whether both directions are proven, and conntrack agrees.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open == self.guard
    }

    /// What it does with a packet.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        match self.action {
            1 => Some(Action::Peer),
            2 => Some(Action::Encap),
            3 => Some(Action::Plain),
            _ => None,
        }
    }
}

/// `struct fo_refusal`: why a flow was last refused.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Refusal {
    /// The flow on entry.
    pub tuple: Tuple,
    /// When, in jiffies.
    pub at: u64,
    /// `enum fo_reason`.
    pub reason: u32,
    /// More about it.
    pub detail: u32,
}

/// `struct fo_retired`: what ended flows had saved.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Retired {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Where `alive_until` is in `struct fo_state`.
pub const STATE_ALIVE_UNTIL: usize = 0;
/// Where `seed` is in `struct fo_state`.
pub const STATE_SEED: usize = 16;
/// Where `epoch` is in `struct fo_state`.
pub const STATE_EPOCH: usize = 32;

/// `FO_SET`: entries side by side whose flows have hashes alike.
pub const SET: u32 = 8;
/// `FO_SETS`: such sets.
pub const SETS: u32 = 8192;
/// `FO_REFUSALS`: places for refused flows.
pub const REFUSALS: u32 = 8192;

const _: () = assert!(size_of::<Tuple>() == 40);
const _: () = assert!(size_of::<Key>() == 48);
const _: () = assert!(size_of::<Way>() == 512);
const _: () = assert!(size_of::<Refusal>() == 56);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_survives_the_way_into_a_map_and_back() {
        for text in ["tcp:10.244.1.2:4000-10.244.2.2:80", "udp:[fd00::1]:1-[fd00::2]:2"] {
            let flow: Flow = text.parse().unwrap();
            assert_eq!(Tuple::from(flow).flow(), Some(flow));
        }
    }

    #[test]
    fn numbers_are_those_of_the_programs() {
        let header = include_str!("../bpf/shared.h");
        let said = |name: &str| {
            let line = header
                .lines()
                .find_map(|l| l.strip_prefix("#define ")?.strip_prefix(name)?.strip_prefix(' '));
            let word = line.and_then(|l| l.split_whitespace().next()).unwrap_or_else(|| panic!("no {name}"));
            word.strip_prefix("0x").map_or_else(|| word.parse(), |hex| u32::from_str_radix(hex, 16)).unwrap()
        };
        let ours = [
            ("FO_LAYOUT", LAYOUT),
            ("FO_SET", SET),
            ("FO_SETS", SETS),
            ("FO_REFUSALS", REFUSALS),
            ("FO_NAT", FLAG_NAT.into()),
            ("FO_NO_CT", FLAG_NO_CT.into()),
            ("FO_JUDGES", u32::try_from(crate::judge::MOST).unwrap()),
        ];
        for (name, value) in ours {
            assert_eq!((name, value), (name, said(name)));
        }
    }

    #[test]
    fn flows_that_differ_little_are_spread_over_all_sets() {
        let sets = u64::from(SETS);
        let spread = |flows: &mut dyn Iterator<Item = String>| {
            let hit = flows.map(|f| Tuple::from(f.parse::<Flow>().unwrap()).hash(7));
            let mut counts = vec![0_u32; usize::try_from(sets).unwrap()];
            hit.for_each(|hash| counts[usize::try_from(hash % sets).unwrap()] += 1);
            counts.into_iter().max().unwrap()
        };
        // As many flows as sets: by chance the fullest has about seven.
        let ports = spread(&mut (0..sets).map(|i| format!("tcp:10.0.0.1:{}-10.0.0.2:80", 1024 + i)));
        let hosts = spread(&mut (0..sets).map(|i| format!("udp:10.0.{}.{}:9-10.1.0.2:53", i / 256, i % 256)));
        let v6 = spread(&mut (0..sets).map(|i| format!("tcp:[fd00::{i:x}]:4000-[fd00::1:{i:x}]:80")));
        assert!([ports, hosts, v6].iter().all(|most| *most <= 10), "{ports} {hosts} {v6}");
    }

    #[test]
    fn a_key_tells_its_tunnel_and_its_dscp() {
        let mut key = Key::zeroed();
        assert_eq!((key.vni(), key.dscp()), (None, 0));
        key.place = 0xba_000007;
        assert_eq!((key.vni(), key.dscp()), (Some(7), 0xb8));
    }
}
