//! `struct ipt_getinfo` and the entries of a table: `struct ipt_entry` or `ip6t_entry`, then its matches, then its
//! target.

use std::collections::BTreeMap;

use flyover_core::IfPattern;

use super::super::model::{Base, Chain, Condition, Family, Hook, Origin, Rule, Step, Table, Verdict};
use super::super::prefix::Prefix;
use super::super::xt;
use crate::nl::{Malformed, ne16, ne32, text};

const BAD: Malformed = Malformed { what: "xtables entry" };

/// Where the parts of an entry lie.
struct Layout {
    address: usize,
    proto: usize,
    /// Flags, then inverted flags.
    flags: usize,
    /// Target offset, then next offset.
    offsets: usize,
    /// Where the matches begin.
    head: usize,
}

const IP: Layout = Layout { address: 4, proto: 80, flags: 82, offsets: 88, head: 112 };
const IP6: Layout = Layout { address: 16, proto: 128, flags: 131, offsets: 140, head: 168 };

/// Bits of `invflags`: in, out, (TOS), source, destination, fragment, protocol.
const NOT_IN: u8 = 1;
const NOT_OUT: u8 = 2;
const NOT_SRC: u8 = 8;
const NOT_DST: u8 = 16;
const NOT_PROTO: u8 = 64;

const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
const NAMES: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// An entry and where it lies.
struct Entry<'a> {
    offset: u32,
    next: u32,
    bytes: &'a [u8],
    target: &'a [u8],
    matches: &'a [u8],
}

/// Understands a table as `getsockopt` gives it: `info` is `struct ipt_getinfo`, `entries` what follows the head of
/// `struct ipt_get_entries`. Never panics.
pub fn parse(family: Family, info: &[u8], entries: &[u8]) -> Result<Table, Malformed> {
    let layout = if family == Family::Ip6 { &IP6 } else { &IP };
    let name = text(info.get(..32).ok_or(BAD)?);
    let entries = split(layout, entries)?;
    let heads = heads(&name, info, &entries)?;
    let names: BTreeMap<u32, String> = heads.iter().map(|h| (h.first, h.chain.name.clone())).collect();
    let mut chains = Vec::new();
    for (at, head) in heads.iter().enumerate() {
        let end = heads.get(at + 1).map_or(u32::MAX, |next| next.begin);
        let mut chain = head.chain.clone();
        let at_or_after = |offset: u32| entries.partition_point(|e| e.offset < offset);
        let own = entries.get(at_or_after(head.first)..at_or_after(end)).unwrap_or_default();
        for (number, entry) in (1..).zip(own) {
            if let Some(rule) = rule(layout, entry, number, &names)? {
                chain.rules.push(rule);
            }
        }
        chains.push(chain);
    }
    Ok(Table { origin: Origin::Legacy, family, name, chains })
}

/// A chain without its rules: where it begins, and where its first rule lies.
struct Head {
    begin: u32,
    first: u32,
    chain: Chain,
}

fn split<'a>(layout: &Layout, mut rest: &'a [u8]) -> Result<Vec<Entry<'a>>, Malformed> {
    let mut entries = Vec::new();
    let mut offset = 0_u32;
    while !rest.is_empty() {
        let word = |at: usize| rest.get(at..).and_then(ne16).ok_or(BAD);
        let (target_at, next_at) = (word(layout.offsets)?, word(layout.offsets + 2)?);
        let bytes = rest.get(..usize::from(next_at)).filter(|b| b.len() >= layout.head).ok_or(BAD)?;
        let target = bytes.get(usize::from(target_at)..).ok_or(BAD)?;
        let matches = bytes.get(layout.head..usize::from(target_at)).ok_or(BAD)?;
        let next = offset.checked_add(u32::from(next_at)).ok_or(BAD)?;
        entries.push(Entry { offset, next, bytes, target, matches });
        rest = rest.get(usize::from(next_at)..).ok_or(BAD)?;
        offset = next;
    }
    Ok(entries)
}

/// Base chains begin where `info` says, others behind an `ERROR` target that bears their name.
fn heads(table: &str, info: &[u8], entries: &[Entry<'_>]) -> Result<Vec<Head>, Malformed> {
    let valid = info.get(32..).and_then(ne32).ok_or(BAD)?;
    let mut heads = Vec::new();
    for (at, (hook, name)) in HOOKS.into_iter().zip(NAMES).enumerate() {
        let begin = info.get(36 + at * 4..).and_then(ne32).ok_or(BAD)?;
        if valid & (1 << at) != 0 {
            let base =
                Base { hook, priority: priority(table, hook), nat: table == "nat", devices: Vec::new() };
            let chain = Chain { name: name.to_owned(), base: Some(base), rules: Vec::new() };
            heads.push(Head { begin, first: begin, chain });
        }
    }
    for entry in entries {
        if target_name(entry)? == "ERROR" {
            let name = text(entry.target.get(32..).unwrap_or_default());
            let chain = Chain { name, base: None, rules: Vec::new() };
            heads.push(Head { begin: entry.offset, first: entry.next, chain });
        }
    }
    heads.sort_by_key(|h| h.begin);
    Ok(heads)
}

/// Where the kernel hangs its built-in tables.
fn priority(table: &str, hook: Hook) -> i32 {
    match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Hook::Prerouting | Hook::Output) => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    }
}

fn target_name(entry: &Entry<'_>) -> Result<String, Malformed> {
    Ok(text(entry.target.get(2..31).ok_or(BAD)?))
}

fn rule(
    layout: &Layout,
    entry: &Entry<'_>,
    number: u64,
    names: &BTreeMap<u32, String>,
) -> Result<Option<Rule>, Malformed> {
    let target = target_name(entry)?;
    if target == "ERROR" {
        return Ok(None);
    }
    let mut steps: Vec<Step> = conditions(layout, entry.bytes)?.into_iter().map(Step::Require).collect();
    let mut conntrack = false;
    let mut rest = entry.matches;
    while !rest.is_empty() {
        let size = usize::from(ne16(rest).ok_or(BAD)?);
        let one = rest.get(..size).filter(|m| m.len() >= 32).ok_or(BAD)?;
        let (head, data) = one.split_at(32);
        let meaning = xt::matches(&text(&head[2..31]), u32::from(head[31]), data);
        steps.extend(meaning.steps);
        conntrack |= meaning.conntrack;
        rest = rest.get(size..).ok_or(BAD)?;
    }
    let data = entry.target.get(32..).ok_or(BAD)?;
    if target.is_empty() {
        let goto = *entry.bytes.get(layout.flags).ok_or(BAD)? & goto_flag(layout) != 0;
        steps.push(verdict(ne32(data).ok_or(BAD)?.cast_signed(), goto, entry.next, names)?);
    } else {
        let meaning = xt::target(&target, data);
        steps.extend(meaning.steps);
        conntrack |= meaning.conntrack;
    }
    Ok(Some(Rule { number, steps, conntrack }))
}

fn goto_flag(layout: &Layout) -> u8 {
    if layout.head == IP6.head { 4 } else { 2 }
}

/// A negative number is a verdict less one, negated; any other is where to jump.
fn verdict(code: i32, goto: bool, next: u32, names: &BTreeMap<u32, String>) -> Result<Step, Malformed> {
    let to = match u32::try_from(code) {
        Ok(to) => to,
        Err(_) => {
            return Ok(match code {
                -4 => Step::Judge("QUEUE".to_owned()),
                -5 => Step::Verdict(Verdict::Return),
                _ => Step::Verdict(Verdict::End),
            });
        }
    };
    if to == next {
        // A rule without a target goes on.
        return Ok(Step::Verdict(Verdict::Continue));
    }
    let chain = names.get(&to).ok_or(BAD)?.clone();
    Ok(Step::Verdict(if goto { Verdict::Goto(chain) } else { Verdict::Jump(chain) }))
}

/// What the entry's own head asks for.
fn conditions(layout: &Layout, bytes: &[u8]) -> Result<Vec<Condition>, Malformed> {
    let len = layout.address;
    let part = |at: usize, len: usize| bytes.get(at..at + len).ok_or(BAD);
    let [flags, inverted] = *part(layout.flags, 2)?.first_chunk().ok_or(BAD)?;
    let mut conditions = Vec::new();
    let mut add = |not: bool, condition: Option<Condition>| {
        conditions.push(if not { Condition::Unknown } else { condition.unwrap_or(Condition::Unknown) });
    };
    for (at, not, narrow) in [
        (0, NOT_SRC, Condition::Src as fn(Vec<Prefix>) -> Condition),
        (1, NOT_DST, Condition::Dst as fn(Vec<Prefix>) -> Condition),
    ] {
        let (addr, mask) = (part(at * len, len)?, part((at + 2) * len, len)?);
        let any = mask.iter().all(|b| *b == 0);
        if !any || inverted & not != 0 {
            add(inverted & not != 0, Prefix::masked(addr, mask).map(|p| narrow(vec![p])));
        }
    }
    for (at, not, narrow) in [
        (0, NOT_IN, Condition::Iif as fn(IfPattern) -> Condition),
        (1, NOT_OUT, Condition::Oif as fn(IfPattern) -> Condition),
    ] {
        let (name, mask) = (part(len * 4 + at * 16, 16)?, part(len * 4 + 32 + at * 16, 16)?);
        if mask.iter().any(|b| *b != 0) {
            add(inverted & not != 0, interface(name, mask).map(narrow));
        }
    }
    let proto = ne16(part(layout.proto, 2)?).ok_or(BAD)?;
    if proto != 0 {
        add(inverted & NOT_PROTO != 0, u8::try_from(proto).ok().map(|p| Condition::Proto(vec![p])));
    }
    if layout.head == IP.head && flags & 1 != 0 {
        // `-f`: second and further fragments, which take the slow way; `! -f` is all the rest.
        add(inverted & 32 != 0, Some(Condition::Slow));
    }
    Ok(conditions)
}

/// The mask covers the closing zero of a whole name, and not that of `eth+`.
fn interface(name: &[u8], mask: &[u8]) -> Option<IfPattern> {
    let covered = mask.iter().take_while(|b| **b == 0xff).count();
    let name = text(name);
    if covered > name.len() { name.parse().ok() } else { format!("{}*", name.get(..covered)?).parse().ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_an_error(v6: bool, info in prop::collection::vec(any::<u8>(), 84), entries: Vec<u8>) {
            let _table = parse(if v6 { Family::Ip6 } else { Family::Ip }, &info, &entries);
        }

        #[test]
        fn a_true_entry_with_noise_is_a_table_or_an_error(noise in prop::collection::vec((0_usize..200, any::<u8>()), 0..8)) {
            let mut entry = vec![0_u8; 152];
            entry[88..92].copy_from_slice(&[112, 0, 152, 0]);
            entry[112] = 40;
            noise.iter().for_each(|(at, byte)| entry[at % 152] = *byte);
            let _table = parse(Family::Ip, &[1; 84], &entry);
        }
    }
}
