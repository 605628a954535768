//! What a register holds while a rule runs: a field of the packet or of its conntrack entry, and what comparing it
//! with a value says about the packet.

use flyover_core::IfPattern;

use super::super::model::{Condition, Family, states};
use super::super::prefix::{Prefix, address};
use crate::nl::{be16, ne32, text};

/// A field, loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) field: Field,
    pub(super) len: usize,
    /// The bits that were kept; all if there is no mask.
    pub(super) mask: Option<Vec<u8>>,
}

/// What was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Bytes of the network header from this offset.
    Network(u32),
    /// Bytes of the transport header from this offset.
    Transport(u32),
    /// `meta l4proto`.
    Proto,
    /// `meta nfproto`.
    NfProto,
    /// `meta protocol`.
    EtherType,
    /// `meta iifname`.
    Iif,
    /// `meta oifname`.
    Oif,
    /// `ct state`.
    CtState,
    /// Anything else.
    Other,
}

/// What is known of the packet at this point of the rule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Its IP version.
    pub(super) v6: Option<bool>,
    /// Its IP protocol.
    pub(super) proto: Option<u8>,
}

impl Known {
    /// What a table's family alone says.
    pub(super) fn of(family: Family) -> Self {
        let v6 = match family {
            Family::Ip => Some(false),
            Family::Ip6 => Some(true),
            _ => None,
        };
        Self { v6, proto: None }
    }

    /// What follows from a condition.
    pub(super) fn learn(&mut self, condition: &Condition) {
        match condition {
            Condition::V6(v6) => self.v6 = Some(*v6),
            Condition::Proto(protos) => self.proto = protos.first().copied().filter(|_| protos.len() == 1),
            _ => {}
        }
    }
}

impl Loaded {
    /// What the packet is if the field equals the value. An empty list says nothing.
    pub(super) fn equals(&self, value: &[u8], known: Known) -> Vec<Condition> {
        let full = vec![0xff; value.len()];
        let mask = self.mask.as_deref().unwrap_or(&full);
        let one = match self.field {
            Field::Network(offset) => return network(offset, value, mask, known),
            Field::Transport(offset) => return transport(offset, value, mask, known),
            _ if self.mask.is_some() && self.field != Field::CtState => None,
            Field::Proto => value.first().map(|p| Condition::Proto(vec![*p])),
            Field::NfProto => version(value.first().copied()),
            Field::EtherType => ether_type(value),
            Field::Iif => interface(value).map(Condition::Iif),
            Field::Oif => interface(value).map(Condition::Oif),
            Field::CtState => ct_state(value, mask),
            Field::Other => None,
        };
        vec![one.unwrap_or(Condition::Unknown)]
    }

    /// What the packet is if the field differs from the value: `(field & mask) != 0` is how nft asks for any of some bits.
    pub(super) fn differs(&self, value: &[u8], known: Known) -> Condition {
        let mask = self.mask.as_deref();
        match (self.field, mask) {
            (Field::CtState, Some(mask)) if value.iter().all(|b| *b == 0) => {
                bits(mask).map(Condition::States)
            }
            (Field::CtState, None) => bits(value).map(|b| Condition::States(states::ALL & !b)),
            (Field::Transport(13), Some([mask])) if known.proto == Some(6) && value == [0] => {
                (mask & !0b111 == 0).then_some(Condition::Slow)
            }
            _ => None,
        }
        .unwrap_or(Condition::Unknown)
    }

    /// What the packet is if the field lies between the two.
    pub(super) fn between(&self, low: &[u8], high: &[u8], known: Known) -> Condition {
        let ports = || Some((be16(low)?, be16(high)?));
        let around = || Prefix::around(address(low)?, address(high)?);
        let Self { field, len, mask: None } = *self else { return Condition::Unknown };
        match (field, len, known.v6) {
            (Field::Transport(0), 2, _) if has_ports(known) => ports().map(|p| Condition::Sport(vec![p])),
            (Field::Transport(2), 2, _) if has_ports(known) => ports().map(|p| Condition::Dport(vec![p])),
            (Field::Network(12), 4, Some(false)) | (Field::Network(8), 16, Some(true)) => {
                around().map(|p| Condition::Src(vec![p]))
            }
            (Field::Network(16), 4, Some(false)) | (Field::Network(24), 16, Some(true)) => {
                around().map(|p| Condition::Dst(vec![p]))
            }
            _ => None,
        }
        .unwrap_or(Condition::Unknown)
    }
}

/// Bytes 0 to 3 are ports also where the protocol is unknown (`th dport`); for ICMP they are something else.
fn has_ports(known: Known) -> bool {
    !matches!(known.proto, Some(1 | 58))
}

/// The part of `value` and `mask` that covers a header field of `len` bytes at `at`, if it covers its beginning.
fn covering<'a>(
    offset: u32,
    value: &'a [u8],
    mask: &'a [u8],
    at: u32,
    len: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    let start = usize::try_from(at.checked_sub(offset)?).ok()?;
    let end = start.checked_add(len)?.min(value.len()).min(mask.len());
    Some((value.get(start..end)?, mask.get(start..end)?)).filter(|(v, _)| !v.is_empty())
}

fn network(offset: u32, value: &[u8], mask: &[u8], known: Known) -> Vec<Condition> {
    let Some(v6) = known.v6 else { return vec![Condition::Unknown] };
    let (src, dst, proto, len) = if v6 { (8, 24, 6, 16) } else { (12, 16, 9, 4) };
    let prefix = |at| covering(offset, value, mask, at, len).and_then(|(v, m)| padded(v, m, len));
    let number = covering(offset, value, mask, proto, 1).filter(|(_, m)| *m == [0xff]);
    let conditions = [
        prefix(src).map(|p| Condition::Src(vec![p])),
        prefix(dst).map(|p| Condition::Dst(vec![p])),
        number.and_then(|(v, _)| v.first()).map(|p| Condition::Proto(vec![*p])),
    ];
    some_or_unknown(conditions.into_iter().flatten().collect())
}

fn transport(offset: u32, value: &[u8], mask: &[u8], known: Known) -> Vec<Condition> {
    if offset == 13 && known.proto == Some(6) {
        let wanted = value.first().zip(mask.first()).is_some_and(|(v, m)| v & m & 0b111 != 0);
        return vec![if wanted { Condition::Slow } else { Condition::Unknown }];
    }
    if !has_ports(known) {
        return vec![Condition::Unknown];
    }
    let port = |at| {
        let (value, _) = covering(offset, value, mask, at, 2).filter(|(_, m)| *m == [0xff; 2])?;
        be16(value).map(|p| vec![(p, p)])
    };
    let conditions = [port(0).map(Condition::Sport), port(2).map(Condition::Dport)];
    some_or_unknown(conditions.into_iter().flatten().collect())
}

fn some_or_unknown(conditions: Vec<Condition>) -> Vec<Condition> {
    if conditions.is_empty() { vec![Condition::Unknown] } else { conditions }
}

/// A prefix from the first bytes of an address: nft loads only three bytes to compare a /24.
fn padded(value: &[u8], mask: &[u8], len: usize) -> Option<Prefix> {
    let (mut value, mut mask) = (value.to_vec(), mask.to_vec());
    value.resize(len, 0);
    mask.resize(len, 0);
    Prefix::masked(&value, &mask)
}

fn version(nfproto: Option<u8>) -> Option<Condition> {
    match nfproto {
        Some(2) => Some(Condition::V6(false)),
        Some(10) => Some(Condition::V6(true)),
        _ => None,
    }
}

fn ether_type(value: &[u8]) -> Option<Condition> {
    match be16(value) {
        Some(0x0800) => Some(Condition::V6(false)),
        Some(0x86dd) => Some(Condition::V6(true)),
        _ => None,
    }
}

/// A name that is not closed by a zero is the beginning of one: `iifname "veth*"`.
fn interface(value: &[u8]) -> Option<IfPattern> {
    let name = text(value);
    if value.contains(&0) { name.parse().ok() } else { format!("{name}*").parse().ok() }
}

fn ct_state(value: &[u8], mask: &[u8]) -> Option<Condition> {
    let (value, mask) = (bits(value)?, bits(mask)?);
    let wanted = if value == 0 { states::ALL & !mask } else { value };
    Some(Condition::States(wanted))
}

fn bits(value: &[u8]) -> Option<u8> {
    // Bits above are not states.
    ne32(value).map(|v| v.to_le_bytes()[0])
}

/// Which property of each single packet a load of header bytes reads; none for what all packets of a flow share.
pub(super) fn judged(field: Field, len: usize, known: Known) -> Option<&'static str> {
    let (Field::Network(offset) | Field::Transport(offset)) = field else { return None };
    let end = offset.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
    let touches = |from: u32, to: u32| offset < to && from < end;
    let first = |list: &[(u32, u32, &'static str)]| {
        list.iter().find(|(from, to, _)| touches(*from, *to)).map(|(_, _, what)| *what)
    };
    match (field, known.v6, known.proto) {
        (Field::Network(_), Some(false), _) => first(&[
            (1, 2, "dscp or ecn"),
            (2, 4, "packet length"),
            (4, 6, "ip id"),
            (8, 9, "ttl"),
            (10, 12, "ip checksum"),
        ]),
        (Field::Network(_), Some(true), _) => first(&[
            (0, 4, "dscp or flow label"),
            (4, 6, "packet length"),
            (7, 8, "hop limit"),
            (40, u32::MAX, "payload"),
        ]),
        (Field::Network(_), None, _) => Some("payload"),
        (_, _, Some(proto)) if !matches!(proto, 6 | 17) => None,
        (_, _, Some(6)) => first(&[(4, 12, "tcp sequence"), (14, u32::MAX, "payload")]),
        _ => first(&[(4, u32::MAX, "payload")]),
    }
}

/// The last value before `end`, for intervals that are written with their first value outside.
pub(super) fn before(end: &[u8]) -> Vec<u8> {
    let mut value = end.to_vec();
    for byte in value.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn addresses_merged_into_one_comparison_are_told_apart() {
        let both = Loaded { field: Field::Network(12), len: 8, mask: None };
        let known = Known { v6: Some(false), proto: None };
        let one = |ip: [u8; 4]| vec![Prefix::new(IpAddr::from(ip), 32)];
        assert_eq!(
            both.equals(&[10, 0, 0, 1, 10, 0, 0, 2], known),
            [Condition::Src(one([10, 0, 0, 1])), Condition::Dst(one([10, 0, 0, 2]))]
        );
    }

    #[test]
    fn the_value_before_an_end_borrows() {
        assert_eq!(before(&[11, 0, 0, 0]), [10, 255, 255, 255]);
    }
}
