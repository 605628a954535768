//! What of a captured frame can be compared: all but what the kernel draws by lot, and what a device was left to do.
//!
//! Masked: the outer source port around IPv6, which the kernel makes of the flow label where there is one: the bypass
//! keeps a flow's first; identification (and so the header checksum) of an outer IPv4 header and of the kernel's own ICMP, the
//! flow label of its ICMPv6, the outer UDP checksum of a packet yet to be cut. A packet whose transport checksum
//! does not hold counts as dropped: whoever delivers it, the receiver's stack drops it. Conntrack may drop it on the
//! way, and bypassed packets do not meet conntrack.

use crate::frame::{ETH, FENCE};
use crate::sum::{checksum, pseudo};
use crate::sys::{Frame, NEEDS_SUM};

/// Flannel's port.
const VXLAN_PORT: u16 = 8472;
const VXLAN: usize = 8;

/// A port that a masquerading node chose, and what it shall be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) chosen: u16,
    pub(crate) called: u16,
}

/// The comparable part of a frame; none of one that counts as dropped, or is no part of the test.
pub(crate) fn plain(frame: &Frame, alias: Option<Alias>) -> Option<Vec<u8>> {
    let mut bytes = frame.bytes.clone();
    let offload = frame.offload;
    if offload.flags & NEEDS_SUM != 0 && offload.gso_type == 0 {
        let (start, offset) = (usize::from(offload.sum_start), usize::from(offload.sum_offset));
        let mut sum = checksum(&[bytes.get(start..)?]);
        // Nought says "no checksum" to UDP alone, and its twin says the same to all.
        if sum == 0 && offset == 6 {
            sum = 0xffff;
        }
        bytes.get_mut(start + offset..start + offset + 2)?.copy_from_slice(&sum.to_be_bytes());
    }
    if let Some(alias) = alias {
        rename(&mut bytes, alias);
    }
    let cut = offload.gso_type != 0;
    if !ip(&mut bytes, ETH, cut)? || bytes.windows(FENCE.len()).any(|w| w == FENCE) {
        return None;
    }
    if cut {
        bytes.extend([offload.gso_type, 0, 0]);
        bytes.extend(offload.gso_size.to_be_bytes());
    }
    Some(bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Where the transport header is, its protocol, and the addresses; none of a fragment behind the first.
struct Inside {
    at: usize,
    len: usize,
    proto: u8,
    addresses: Vec<u8>,
    whole: bool,
}

fn inside(bytes: &[u8], eth: usize) -> Option<Inside> {
    let l3 = eth;
    match word(bytes, l3 - 2)? {
        0x0800 => {
            let header = usize::from(bytes.get(l3)? & 15) * 4;
            let len = usize::from(word(bytes, l3 + 2)?).checked_sub(header)?;
            let whole = word(bytes, l3 + 6)? & 0x3fff == 0;
            let addresses = bytes.get(l3 + 12..l3 + 20)?.to_vec();
            Some(Inside { at: l3 + header, len, proto: *bytes.get(l3 + 9)?, addresses, whole })
        }
        0x86dd => {
            let (mut next, mut at) = (*bytes.get(l3 + 6)?, l3 + 40);
            let end = at + usize::from(word(bytes, l3 + 4)?);
            let mut whole = true;
            while [0, 43, 44, 60].contains(&next) {
                whole &= next != 44 || word(bytes, at + 2)? & 0xfff9 == 0;
                let len = if next == 44 { 8 } else { 8 + usize::from(*bytes.get(at + 1)?) * 8 };
                next = *bytes.get(at)?;
                at += len;
            }
            let addresses = bytes.get(l3 + 8..l3 + 40)?.to_vec();
            Some(Inside { at, len: end.checked_sub(at)?, proto: next, addresses, whole })
        }
        _ => None,
    }
}

/// Masks what is drawn by lot; false of a packet that counts as dropped or is neighbours' talk.
fn ip(bytes: &mut [u8], eth: usize, cut: bool) -> Option<bool> {
    let Some(found) = inside(bytes, eth) else { return Some(word(bytes, eth - 2)? != 0x0806) };
    let v4 = word(bytes, eth - 2)? == 0x0800;
    let tunnel = found.proto == 17 && found.whole && word(bytes, found.at + 2)? == VXLAN_PORT && eth == ETH;
    if tunnel && found.len > 8 + VXLAN + ETH {
        mask_ip(bytes, eth, v4);
        if word(bytes, found.at + 8 + VXLAN + ETH - 2)? == 0x86dd {
            let chosen = word(bytes, found.at)?;
            rename(bytes, Alias { chosen, called: 0 });
        }
        if cut {
            bytes.get_mut(found.at + 6..found.at + 8)?.fill(0);
        }
        let kept = ip(bytes, found.at + 8 + VXLAN + ETH, cut)?;
        // The outer checksum covers what was just masked; of a packet that holds it is compared by holding.
        return Some(kept);
    }
    if found.proto == 1 {
        mask_ip(bytes, eth, true);
    }
    if found.proto == 58 {
        if (133..=137).contains(bytes.get(found.at)?) || [130, 131, 132, 143].contains(bytes.get(found.at)?) {
            return Some(false);
        }
        bytes.get_mut(eth + 2..eth + 4)?.fill(0);
    }
    Some(cut || !found.whole || transport_holds(bytes, &found))
}

fn mask_ip(bytes: &mut [u8], at: usize, v4: bool) {
    if v4 {
        bytes[at + 4..at + 6].fill(0);
        bytes[at + 10..at + 12].fill(0);
    }
}

fn transport_holds(bytes: &[u8], found: &Inside) -> bool {
    let Some(segment) = bytes.get(found.at..found.at + found.len) else { return true };
    let sum_at = match found.proto {
        17 => 6,
        6 => 16,
        _ => return true,
    };
    if word(segment, sum_at) == Some(0) && found.proto == 17 {
        return true;
    }
    checksum(&[&pseudo(&found.addresses, found.proto, segment.len()), segment]) == 0
}

/// Calls a chosen port what it shall be called, in ports and in the checksum.
fn rename(bytes: &mut [u8], alias: Alias) {
    let Some(found) = inside(bytes, ETH).filter(|f| f.whole && [6, 17].contains(&f.proto)) else { return };
    let sum_at = found.at + if found.proto == 6 { 16 } else { 6 };
    for at in [found.at, found.at + 2] {
        let (Some(port), Some(sum)) = (word(bytes, at), word(bytes, sum_at)) else { return };
        if port == alias.chosen {
            let new = crate::sum::fold(u64::from(!sum) + u64::from(!port) + u64::from(alias.called));
            bytes[at..at + 2].copy_from_slice(&alias.called.to_be_bytes());
            bytes[sum_at..sum_at + 2].copy_from_slice(&(!new).to_be_bytes());
        }
    }
}
