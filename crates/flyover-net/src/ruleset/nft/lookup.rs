//! Look-ups in sets and verdict maps.

use super::super::model::{Condition, Step, Verdict};
use super::super::prefix::Prefix;
use super::expr::{Run, Scope, word};
use super::field::before;
use super::set::{Element, Set};
use crate::nl::{Attrs, Malformed};

/// A set with more elements than this narrows nothing.
const MOST: usize = 64;

/// The set of that name in the rule's table.
pub(super) fn set<'a>(scope: &Scope<'a>, name: String) -> Option<&'a Set> {
    scope.sets.get(&(scope.family, scope.table.to_owned(), name))
}

/// Runs a `lookup` expression.
pub(super) fn run(run: &mut Run<'_>, data: Attrs<'_>) -> Result<(), Malformed> {
    let name = data.text(1).ok_or(Malformed { what: "lookup" })?;
    let source = word(data.be32(2).ok_or(Malformed { what: "lookup" })?);
    let inverted = data.be32(5).unwrap_or_default() & 1 != 0;
    let Some(set) = set(&run.scope, name) else {
        // It came after the sets were listed; the generation will tell, but until then nothing is known.
        run.judge("unknown set");
        return Ok(());
    };
    for what in &set.judges {
        run.judge(what.clone());
    }
    match data.be32(3) {
        Some(0) if set.verdicts => choose(run, set, source),
        Some(_) => run.registers.clear(),
        None if inverted => run.require(Condition::Unknown),
        None => members(run, set, source).into_iter().for_each(|c| run.require(c)),
    }
    Ok(())
}

/// One choice for each element, or one for each verdict where there are many elements.
fn choose(run: &mut Run<'_>, set: &Set, source: u32) {
    let detailed = set.elements.len() <= MOST && !set.interval;
    let mut choices: Vec<(Vec<Condition>, Verdict)> = Vec::new();
    for element in &set.elements {
        let Some(verdict) = element.verdict.clone() else { continue };
        let when = match &element.key {
            Some(key) if detailed => conditions(run, source, key),
            _ => vec![Condition::Unknown],
        };
        if !choices.contains(&(when.clone(), verdict.clone())) {
            choices.push((when, verdict));
        }
    }
    if set.cut {
        run.judge("verdict map too large to follow");
    }
    run.steps.push(Step::Choose(choices));
}

/// What a packet is whose fields, as they lie in the registers, are this key.
fn conditions(run: &Run<'_>, source: u32, key: &[u8]) -> Vec<Condition> {
    let mut all = Vec::new();
    let (mut at, mut rest) = (source, key);
    while !rest.is_empty() {
        let Some(loaded) = run.registers.get(&at) else { break };
        let Some(value) = rest.get(..loaded.len.min(rest.len())) else { break };
        all.extend(loaded.equals(value, run.known));
        let words = loaded.len.max(1).div_ceil(4);
        at = at.saturating_add(u32::try_from(words).unwrap_or(u32::MAX));
        rest = rest.get(words.saturating_mul(4)..).unwrap_or_default();
    }
    if all.is_empty() || !rest.is_empty() {
        all.push(Condition::Unknown);
    }
    all
}

/// What a packet is that is in the set.
fn members(run: &Run<'_>, set: &Set, source: u32) -> Vec<Condition> {
    let whole = set.anonymous && !set.cut && (1..=MOST).contains(&set.elements.len());
    if !whole {
        return vec![Condition::Unknown];
    }
    if set.interval {
        let intervals = intervals(&set.elements);
        let loaded = run.registers.get(&source);
        let one = |(low, high): &(Vec<u8>, Vec<u8>)| loaded.map(|l| vec![l.between(low, high, run.known)]);
        return union(intervals.iter().map(|i| one(i).unwrap_or_else(|| vec![Condition::Unknown])));
    }
    union(set.elements.iter().map(|e| match &e.key {
        Some(key) => conditions(run, source, key),
        None => vec![Condition::Unknown],
    }))
}

/// First and last values. An interval without an end goes on to the last value there is.
fn intervals(elements: &[Element]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut marks: Vec<(&[u8], bool)> =
        elements.iter().filter_map(|e| Some((e.key.as_deref()?, e.end))).collect();
    // Where one interval ends and the next begins at the same value, the end comes first.
    marks.sort_by_key(|(key, end)| (key.to_vec(), !end));
    let starts = marks.iter().enumerate().filter(|(_, (_, end))| !end);
    let last = |at: usize, len: usize| {
        let next = marks.iter().skip(at + 1).find(|(_, end)| *end);
        next.map_or_else(|| vec![0xff; len], |(key, _)| before(key))
    };
    starts.map(|(at, (key, _))| (key.to_vec(), last(at, key.len()))).collect()
}

/// One condition for each field, with the values of all rows as alternatives.
fn union(rows: impl Iterator<Item = Vec<Condition>>) -> Vec<Condition> {
    let joined = rows.reduce(|all, row| {
        if all.len() != row.len() {
            return vec![Condition::Unknown];
        }
        all.into_iter().zip(row).map(|(a, b)| either(a, b)).collect()
    });
    joined.unwrap_or_else(|| vec![Condition::Unknown])
}

fn either(a: Condition, b: Condition) -> Condition {
    fn both<T: PartialEq>(mut a: Vec<T>, b: Vec<T>) -> Vec<T> {
        b.into_iter().for_each(|x| {
            if !a.contains(&x) {
                a.push(x)
            }
        });
        a
    }
    match (a, b) {
        (Condition::Src(a), Condition::Src(b)) => Condition::Src(both::<Prefix>(a, b)),
        (Condition::Dst(a), Condition::Dst(b)) => Condition::Dst(both::<Prefix>(a, b)),
        (Condition::Proto(a), Condition::Proto(b)) => Condition::Proto(both(a, b)),
        (Condition::Sport(a), Condition::Sport(b)) => Condition::Sport(both(a, b)),
        (Condition::Dport(a), Condition::Dport(b)) => Condition::Dport(both(a, b)),
        (Condition::States(a), Condition::States(b)) => Condition::States(a | b),
        (a, b) if a == b => a,
        _ => Condition::Unknown,
    }
}
