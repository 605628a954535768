//! The data of the matches that narrow: `struct xt_tcp`, `xt_udp`, `xt_multiport_v1`, `xt_state_info`,
//! `xt_conntrack_mtinfo*`. All numbers in host byte order.

use super::super::model::{Condition, states};
use crate::nl::{ne16, ne32};

/// Port range at an offset; the whole range says nothing.
fn ports(data: &[u8], at: usize) -> Option<(u16, u16)> {
    Some((ne16(data.get(at..)?)?, ne16(data.get(at + 2..)?)?))
}

/// Conditions on both ports, from the ranges and two bits that invert them.
fn both_ports(proto: u8, data: &[u8], inverted: u8) -> Option<Vec<Condition>> {
    let (sport, dport) = (ports(data, 0)?, ports(data, 4)?);
    let mut conditions = vec![Condition::Proto(vec![proto])];
    let mut add = |range, inverted: bool, narrow: fn(Vec<(u16, u16)>) -> Condition| {
        if inverted {
            conditions.push(Condition::Unknown);
        } else if range != (0, u16::MAX) {
            conditions.push(narrow(vec![range]));
        }
    };
    add(sport, inverted & 1 != 0, Condition::Sport);
    add(dport, inverted & 2 != 0, Condition::Dport);
    Some(conditions)
}

pub(super) fn tcp(data: &[u8]) -> Option<Vec<Condition>> {
    let [option, mask, wanted, inverted] = *data.get(8..)?.first_chunk()?;
    let mut conditions = both_ports(6, data, inverted)?;
    if option != 0 {
        conditions.push(Condition::Unknown);
    }
    match (mask, inverted & 4 != 0) {
        (0, false) => {}
        // FIN, SYN and RST: such a packet is never bypassed.
        (_, false) if mask & wanted & 0b111 != 0 => conditions.push(Condition::Slow),
        _ => conditions.push(Condition::Unknown),
    }
    Some(conditions)
}

pub(super) fn udp(data: &[u8]) -> Option<Vec<Condition>> {
    let inverted = *data.get(8)?;
    both_ports(17, data, inverted)
}

/// Flags: 0 source, 1 destination, 2 either. A port whose `pflags` is set begins a range that the next one ends.
pub(super) fn multiport(data: &[u8]) -> Option<Vec<Condition>> {
    let [flags, count] = *data.first_chunk()?;
    let (list, range_flags) = (data.get(2..32)?, data.get(32..47)?);
    let inverted = *data.get(47)? != 0;
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < usize::from(count).min(15) {
        let low = ne16(list.get(at * 2..)?)?;
        let is_range = *range_flags.get(at)? != 0;
        at += usize::from(is_range);
        ranges.push((low, ne16(list.get(at * 2..)?)?));
        at += 1;
    }
    Some(vec![match flags {
        _ if inverted || ranges.is_empty() => Condition::Unknown,
        0 => Condition::Sport(ranges),
        1 => Condition::Dport(ranges),
        _ => Condition::Unknown,
    }])
}

/// `XT_STATE_UNTRACKED` is bit 6, as in nf_tables.
pub(super) fn state(data: &[u8]) -> Option<Vec<Condition>> {
    let mask = ne32(data)?.to_le_bytes()[0];
    Some(vec![Condition::States(mask & states::ALL)])
}

/// What a conntrack match asks for.
pub(super) enum Conntrack {
    Conditions(Vec<Condition>),
    /// The time left of the entry, which each packet renews.
    Judges,
}

/// `XT_CONNTRACK_STATE`, `XT_CONNTRACK_EXPIRES`.
const STATE: u16 = 1;
const EXPIRES: u16 = 1 << 7;
/// `XT_CONNTRACK_STATE_ALIAS`: it was written as `-m state`.
const ALIAS: u16 = 1 << 13;
/// `XT_CONNTRACK_STATE_SNAT`, `DNAT`: not states, but marks of translation.
const TRANSLATED: u16 = 1 << 6 | 1 << 7;
/// `XT_CONNTRACK_STATE_UNTRACKED`.
const UNTRACKED: u16 = 1 << 8;

pub(super) fn conntrack(revision: u32, data: &[u8]) -> Option<Conntrack> {
    let flags = ne16(data.get(146..)?)?;
    let inverted = ne16(data.get(148..)?)?;
    let mask = match revision {
        1 => u16::from(*data.get(150)?),
        2 | 3 => ne16(data.get(150..)?)?,
        _ => return None,
    };
    if flags & EXPIRES != 0 {
        return Some(Conntrack::Judges);
    }
    let mut conditions = Vec::new();
    if flags & STATE != 0 {
        conditions.push(state_mask(mask, inverted & STATE != 0));
    }
    if flags & !(STATE | ALIAS) != 0 {
        conditions.push(Condition::Unknown);
    }
    Some(Conntrack::Conditions(conditions))
}

fn state_mask(mask: u16, inverted: bool) -> Condition {
    let low = mask.to_le_bytes()[0] & 0x1f;
    let listed = low | if mask & UNTRACKED != 0 { states::UNTRACKED } else { 0 };
    match (mask & TRANSLATED != 0, inverted) {
        (true, _) => Condition::Unknown,
        (false, false) => Condition::States(listed),
        (false, true) => Condition::States(states::ALL & !listed),
    }
}

/// Whether a match on an ipset depends on how many packets its element has counted: the operators of
/// `struct xt_set_info_match_v3` and `v4`, whose counters are laid out the other way round.
pub(super) fn asks_counters(revision: u32, data: &[u8]) -> bool {
    let operators = match revision {
        0..=2 => return false,
        3 => [8, 24],
        _ => [16, 32],
    };
    operators.into_iter().any(|at| data.get(at).is_none_or(|op| *op != 0))
}
