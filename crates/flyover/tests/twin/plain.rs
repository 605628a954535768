//! What of a captured frame can be compared: all but what the kernel draws by lot, and what a device was left to do.
//!
//! Masked: identification (and so the header checksum) of an outer IPv4 header and of the kernel's own ICMP, the
//! flow label of its ICMPv6; identification of IPv6 fragments, which conntrack puts together and cuts again; the outer
//! source port around IPv6, which the kernel makes of the flow label where there is one: the bypass keeps a flow's
//! first. Of an outer UDP checksum it counts whether there is one and whether it holds; where a device has yet to cut
//! the packet, not even that. A packet whose transport checksum
//! does not hold counts as dropped: whoever delivers it, the receiver's stack drops it. Conntrack may drop it on the
//! way, and bypassed packets do not meet conntrack.

use crate::frame::{ETH, FENCE};
use crate::sum::{checksum, pseudo};
use crate::sys::{Frame, NEEDS_SUM};

/// Ports of Flannel's VXLAN and of Geneve.
const TUNNELS: [u16; 2] = [8472, 6081];
/// Both have a header of this length, where Geneve has no options.
const HEADER: usize = 8;

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
        rename(&mut bytes, ETH, alias, offload.gso_type != 0);
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
    /// Whether the transport header is there.
    first: bool,
    /// Where IPv6's fragment header is.
    fragment: Option<usize>,
}

fn inside(bytes: &[u8], l3: usize) -> Option<Inside> {
    match bytes.get(l3)? >> 4 {
        4 => {
            let header = usize::from(bytes.get(l3)? & 15) * 4;
            let len = usize::from(word(bytes, l3 + 2)?).checked_sub(header)?;
            let whole = word(bytes, l3 + 6)? & 0x3fff == 0;
            let first = word(bytes, l3 + 6)? & 0x1fff == 0;
            let addresses = bytes.get(l3 + 12..l3 + 20)?.to_vec();
            Some(Inside {
                at: l3 + header,
                len,
                proto: *bytes.get(l3 + 9)?,
                addresses,
                whole,
                first,
                fragment: None,
            })
        }
        6 => {
            let (mut next, mut at) = (*bytes.get(l3 + 6)?, l3 + 40);
            let end = at + usize::from(word(bytes, l3 + 4)?);
            let (mut whole, mut first, mut fragment) = (true, true, None);
            while [0, 43, 44, 60].contains(&next) {
                first &= next != 44 || word(bytes, at + 2)? & 0xfff8 == 0;
                whole &= next != 44 || word(bytes, at + 2)? & 0xfff9 == 0;
                fragment = fragment.or((next == 44).then_some(at));
                let len = if next == 44 { 8 } else { 8 + usize::from(*bytes.get(at + 1)?) * 8 };
                next = *bytes.get(at)?;
                at += len;
            }
            let addresses = bytes.get(l3 + 8..l3 + 40)?.to_vec();
            Some(Inside { at, len: end.checked_sub(at)?, proto: next, addresses, whole, first, fragment })
        }
        _ => None,
    }
}

/// Masks what is drawn by lot; false of a packet that counts as dropped or is neighbours' talk.
fn ip(bytes: &mut [u8], eth: usize, cut: bool) -> Option<bool> {
    if word(bytes, eth - 2)? == 0x0806 {
        return Some(false);
    }
    let Some(found) = inside(bytes, eth) else { return Some(true) };
    let v4 = word(bytes, eth - 2)? == 0x0800;
    let tunnel =
        found.proto == 17 && found.whole && TUNNELS.contains(&word(bytes, found.at + 2)?) && eth == ETH;
    if tunnel && found.len > 8 + HEADER + ETH {
        // The outer checksum covers what is masked: what counts is whether there is one, and whether it holds.
        let none = word(bytes, found.at + 6)? == 0;
        let verdict: &[u8] = match (cut, none, transport_holds(bytes, &found)) {
            (true, ..) => b"??",
            (false, true, _) => b"--",
            (false, false, true) => b"ok",
            (false, false, false) => b"NO",
        };
        bytes.get_mut(found.at + 6..found.at + 8)?.copy_from_slice(verdict);
        mask_ip(bytes, eth, v4);
        if word(bytes, found.at + 8 + HEADER + ETH - 2)? == 0x86dd {
            bytes.get_mut(found.at..found.at + 2)?.fill(0);
        }
        return ip(bytes, found.at + 8 + HEADER + ETH, cut);
    }
    if let Some(at) = found.fragment {
        bytes.get_mut(at + 4..at + 8)?.fill(0);
    }
    // Who joins which group is neighbours' talk as well.
    if v4 && found.proto == 2 {
        return Some(false);
    }
    // What goes by the clock: how often the kernel says that no network is there, and when it gives up on fragments.
    let said = bytes.get(found.at..found.at + 2);
    if matches!((found.proto, said), (1, Some([3, 0] | [11, 1])) | (58, Some([3, 1]))) {
        return Some(false);
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

/// Calls a chosen port what it shall be called, and in the checksum too unless that is yet to be written.
///
/// An ICMP error's own checksum stays as it is: in what it quotes, port and checksum make up for each other.
fn rename(bytes: &mut [u8], l3: usize, alias: Alias, cut: bool) {
    let Some(found) = inside(bytes, l3).filter(|f| f.first) else { return };
    match (found.proto, bytes.get(found.at)) {
        (6 | 17, _) => {}
        (1, Some(3 | 11)) | (58, Some(1..=4)) => return rename(bytes, found.at + 8, alias, cut),
        _ => return,
    }
    let sum_at = found.at + if found.proto == 6 { 16 } else { 6 };
    for at in [found.at, found.at + 2] {
        let (Some(port), Some(sum)) = (word(bytes, at), word(bytes, sum_at)) else { return };
        if port == alias.chosen {
            let new = crate::sum::fold(u64::from(!sum) + u64::from(!port) + u64::from(alias.called));
            bytes[at..at + 2].copy_from_slice(&alias.called.to_be_bytes());
            if !cut {
                bytes[sum_at..sum_at + 2].copy_from_slice(&(!new).to_be_bytes());
            }
        }
    }
}
