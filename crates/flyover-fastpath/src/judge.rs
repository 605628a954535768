//! Judges as the programs know them: `struct fo_judge`.
//!
//! Invariant: a judge holds at least the packets its selector holds. What cannot be said in this form is left out of
//! it, which only widens; what does not fit the table becomes one judge of everything.

use flyover_net::analysis::Selector;
use flyover_net::ruleset::Prefix;

use crate::skel::types::fo_judge;

/// How many the programs can hold.
pub(crate) const MOST: usize = 64;

/// The table for these selectors. Their order is kept, so that an index in a refusal names the selector.
pub(crate) fn table(selectors: &[Selector]) -> Vec<fo_judge> {
    if selectors.len() > MOST {
        return vec![judge(&Selector::default())];
    }
    selectors.iter().map(judge).collect()
}

fn judge(selector: &Selector) -> fo_judge {
    let (src, src_mask) = words(selector.src);
    let (dst, dst_mask) = words(selector.dst);
    let ports = |range: Option<(u16, u16)>| range.map_or([0, u16::MAX], |(low, high)| [low, high]);
    fo_judge {
        src,
        src_mask,
        dst,
        dst_mask,
        sport: ports(selector.sport),
        dport: ports(selector.dport),
        family: selector.v6.map_or(0, |v6| if v6 { 6 } else { 4 }),
        proto: selector.proto.unwrap_or(0),
        zero: 0,
    }
}

/// Address and mask as the programs compare them: words in network order, IPv4 in the first.
fn words(prefix: Option<Prefix>) -> ([u32; 4], [u32; 4]) {
    let Some(prefix) = prefix else { return ([0; 4], [0; 4]) };
    let (mut addr, mut mask) = ([0u8; 16], [0u8; 16]);
    let bytes = match prefix.addr() {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    addr[..bytes.len()].copy_from_slice(&bytes);
    for bit in 0..usize::from(prefix.len()) {
        mask[bit / 8] |= 0x80 >> (bit % 8);
    }
    let split = |bytes: [u8; 16]| {
        std::array::from_fn(|i| {
            u32::from_ne_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
        })
    };
    (split(addr), split(mask))
}
