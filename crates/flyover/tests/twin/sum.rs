//! Internet checksums: written, and verified.

/// The complement of the ones' complement sum, as it is written into a header.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    !fold(sum)
}

/// The sum, folded to sixteen bits.
pub(crate) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("it was folded")
}

/// The pseudo header of a transport segment; `addresses` are both, source first, of either family.
pub(crate) fn pseudo(addresses: &[u8], proto: u8, len: usize) -> Vec<u8> {
    let len = u32::try_from(len).expect("packets are short").to_be_bytes();
    [addresses, &len, &[0, 0, 0, proto]].concat()
}
