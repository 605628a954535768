//! Internet checksums, computed the slow and obvious way: what the programs' arithmetic is held against.

use std::net::IpAddr;

/// The ones' complement sum of 16-bit words, folded.
pub(crate) fn fold(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0)));
    let mut sum: u32 = 0;
    for word in words {
        sum += word;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("it was folded")
}

/// The pseudo header of a datagram.
pub(crate) fn pseudo(src: IpAddr, dst: IpAddr, proto: u8, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for ip in [src, dst] {
        match ip {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes.extend(u32::try_from(len).expect("packets are short").to_be_bytes());
    bytes.extend([0, 0, 0, proto]);
    bytes
}

/// The checksum of a transport segment whose own checksum field is nought.
pub(crate) fn transport(src: IpAddr, dst: IpAddr, proto: u8, segment: &[u8]) -> u16 {
    let all = [pseudo(src, dst, proto, segment.len()), segment.to_vec()].concat();
    match (!fold(&all), proto) {
        // Nought means "none" in UDP.
        (0, 17) => 0xffff,
        (sum, _) => sum,
    }
}

/// Whether a segment's checksum holds.
pub(crate) fn holds(src: IpAddr, dst: IpAddr, proto: u8, segment: &[u8]) -> bool {
    fold(&[pseudo(src, dst, proto, segment.len()), segment.to_vec()].concat()) == 0xffff
}
