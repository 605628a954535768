//! A packet as a description, and the bytes it stands for.
//!
//! Invariant: `bytes` is always sound, with all lengths and checksums right; what is to be wrong is made so in the
//! bytes, in the test that needs it.

use std::net::IpAddr;

use crate::sum;

/// Length of an Ethernet header: where the outermost IP header begins.
pub(crate) const ETH: usize = 14;

/// Ethernet addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eth {
    pub(crate) dst: [u8; 6],
    pub(crate) src: [u8; 6],
}

/// An IP header, of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// Identification, or the low bits of the flow label.
    pub(crate) id: u16,
    /// "Don't fragment"; IPv6 never does.
    pub(crate) df: bool,
}

/// A transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum L4 {
    Tcp { sport: u16, dport: u16, seq: u32, flags: u8 },
    Udp { sport: u16, dport: u16, summed: bool },
}

/// What a tunnel puts around a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) eth: Eth,
    pub(crate) ip: Ip,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) summed: bool,
    /// VXLAN or Geneve header, with options.
    pub(crate) tunnel: Vec<u8>,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) eth: Eth,
    pub(crate) ip: Ip,
    pub(crate) l4: L4,
    pub(crate) payload: Vec<u8>,
    pub(crate) outer: Option<Outer>,
}

impl Packet {
    /// The same packet but for one thing.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    /// The frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let inner = [self.eth.bytes(self.ip.src), self.ip.around(self.l4.proto(), &self.segment())].concat();
        let Some(outer) = &self.outer else { return inner };
        let body = [&outer.tunnel[..], &inner].concat();
        let udp = L4::Udp { sport: outer.sport, dport: outer.dport, summed: outer.summed };
        let datagram = udp.around(&outer.ip, &body);
        [outer.eth.bytes(outer.ip.src), outer.ip.around(17, &datagram)].concat()
    }

    /// The frame with something wrong in it.
    pub(crate) fn bytes_but(&self, spoil: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut bytes = self.bytes();
        spoil(&mut bytes);
        bytes
    }

    /// Where the innermost IP header begins.
    pub(crate) fn l3(&self) -> usize {
        self.outer.as_ref().map_or(ETH, |o| ETH + o.ip.header_len() + 8 + o.tunnel.len() + ETH)
    }

    /// Where the innermost transport header begins.
    pub(crate) fn l4(&self) -> usize {
        self.l3() + self.ip.header_len()
    }

    fn segment(&self) -> Vec<u8> {
        self.l4.around(&self.ip, &self.payload)
    }
}

impl Eth {
    fn bytes(&self, ip: IpAddr) -> Vec<u8> {
        let proto = if ip.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        [&self.dst[..], &self.src, &proto].concat()
    }
}

impl Ip {
    pub(crate) fn header_len(&self) -> usize {
        if self.src.is_ipv4() { 20 } else { 40 }
    }

    /// A packet of any protocol.
    pub(crate) fn around(&self, proto: u8, body: &[u8]) -> Vec<u8> {
        let len = |n: usize| u16::try_from(n).expect("packets are short").to_be_bytes();
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut header = vec![0x45, self.tos];
                header.extend(len(20 + body.len()));
                header.extend(self.id.to_be_bytes());
                header.extend([u8::from(self.df) << 6, 0, self.ttl, proto, 0, 0]);
                header.extend(src.octets());
                header.extend(dst.octets());
                settle_ip4(&mut header);
                [&header, body].concat()
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let word = 6 << 28 | u32::from(self.tos) << 20 | u32::from(self.id);
                let mut header = word.to_be_bytes().to_vec();
                header.extend(len(body.len()));
                header.extend([proto, self.ttl]);
                header.extend(src.octets());
                header.extend(dst.octets());
                [&header, body].concat()
            }
            _ => panic!("{self:?} has addresses of two families"),
        }
    }
}

impl L4 {
    pub(crate) fn proto(&self) -> u8 {
        match self {
            Self::Tcp { .. } => 6,
            Self::Udp { .. } => 17,
        }
    }

    fn around(&self, ip: &Ip, payload: &[u8]) -> Vec<u8> {
        let (mut segment, at, summed) = match *self {
            Self::Tcp { sport, dport, seq, flags } => {
                let mut header = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
                header.extend(seq.to_be_bytes());
                header.extend([0, 0, 0, 9, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
                ([&header, payload].concat(), 16, true)
            }
            Self::Udp { sport, dport, summed } => {
                let len = u16::try_from(8 + payload.len()).expect("packets are short");
                let header = [sport, dport, len, 0].map(u16::to_be_bytes).concat();
                ([&header, payload].concat(), 6, summed)
            }
        };
        if summed {
            let sum = sum::transport(ip.src, ip.dst, self.proto(), &segment);
            segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        segment
    }
}

/// Writes the checksum of the IPv4 header these bytes begin with.
pub(crate) fn settle_ip4(header: &mut [u8]) {
    let len = usize::from(header[0] & 15) * 4;
    header[10..12].fill(0);
    let sum = !sum::fold(&header[..len]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// A VXLAN header.
pub(crate) fn vxlan(vni: u32) -> Vec<u8> {
    [0x0800_0000_u32.to_be_bytes(), (vni << 8).to_be_bytes()].concat()
}

/// A Geneve header around Ethernet, with options.
pub(crate) fn geneve(vni: u32, options: &[u8]) -> Vec<u8> {
    let words = u32::try_from(options.len() / 4).expect("options are short");
    let first = words << 24 | 0x6558;
    [&first.to_be_bytes(), &(vni << 8).to_be_bytes(), options].concat()
}
