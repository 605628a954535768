//! A set of packets by what an outsider can know of a flow.

use std::fmt;

use flyover_core::{Flow, IfName, IfPattern};

use crate::ruleset::{Condition, Prefix};

/// A field whose alternatives are more than this is narrowed to what holds them all.
const MOST_ALTERNATIVES: usize = 16;

/// Packets that have all these properties; a property that is not given is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// IP version: true for IPv6.
    pub v6: Option<bool>,
    /// Where they come from.
    pub src: Option<Prefix>,
    /// Where they go.
    pub dst: Option<Prefix>,
    /// IP protocol.
    pub proto: Option<u8>,
    /// Source ports, ends included.
    pub sport: Option<(u16, u16)>,
    /// Destination ports, ends included.
    pub dport: Option<(u16, u16)>,
    /// The device they come in by.
    pub iif: Option<IfPattern>,
    /// The device they go out by.
    pub oif: Option<IfPattern>,
}

impl Selector {
    /// Whether it holds packets of this flow that come in and go out there; a device not given may be any.
    #[must_use]
    pub fn concerns(&self, flow: &Flow, iif: Option<&IfName>, oif: Option<&IfName>) -> bool {
        let within =
            |range: Option<(u16, u16)>, port| range.is_none_or(|(low, high)| (low..=high).contains(&port));
        let on = |pattern: &Option<IfPattern>, name: Option<&IfName>| {
            pattern.as_ref().zip(name).is_none_or(|(pattern, name)| pattern.matches(name))
        };
        self.v6.is_none_or(|v6| v6 == flow.src.is_ipv6())
            && self.src.is_none_or(|p| p.contains(flow.src.ip()))
            && self.dst.is_none_or(|p| p.contains(flow.dst.ip()))
            && self.proto.is_none_or(|p| p == flow.proto.number())
            && within(self.sport, flow.src.port())
            && within(self.dport, flow.dst.port())
            && on(&self.iif, iif)
            && on(&self.oif, oif)
    }

    /// Those of its packets that fit the condition, as alternatives; none if no packet can.
    pub(super) fn narrow(&self, condition: &Condition) -> Vec<Self> {
        match condition {
            Condition::Slow => Vec::new(),
            Condition::States(_) | Condition::Unknown => vec![self.clone()],
            Condition::V6(v6) => {
                self.v6.is_none_or(|mine| mine == *v6).then(|| self.of_version(*v6)).into_iter().collect()
            }
            Condition::Src(prefixes) => self.each(prefixes, Self::prefix_hull, |s, p| {
                Some(Self { src: Some(meet(s.src, *p, Prefix::and)?), ..s.of_prefix(*p)? })
            }),
            Condition::Dst(prefixes) => self.each(prefixes, Self::prefix_hull, |s, p| {
                Some(Self { dst: Some(meet(s.dst, *p, Prefix::and)?), ..s.of_prefix(*p)? })
            }),
            Condition::Proto(protos) => self.each(
                protos,
                |_| None,
                |s, p| {
                    Some(Self { proto: Some(meet(s.proto, *p, |a, b| (a == b).then_some(a))?), ..s.clone() })
                },
            ),
            Condition::Sport(ports) => self.each(ports, port_hull, |s, p| {
                Some(Self { sport: Some(meet(s.sport, *p, overlap)?), ..s.clone() })
            }),
            Condition::Dport(ports) => self.each(ports, port_hull, |s, p| {
                Some(Self { dport: Some(meet(s.dport, *p, overlap)?), ..s.clone() })
            }),
            Condition::Iif(name) => interface(&self.iif, name)
                .map(|iif| Self { iif: Some(iif), ..self.clone() })
                .into_iter()
                .collect(),
            Condition::Oif(name) => interface(&self.oif, name)
                .map(|oif| Self { oif: Some(oif), ..self.clone() })
                .into_iter()
                .collect(),
        }
    }

    /// One selector for each alternative, or one for the hull of many.
    fn each<T: Copy>(
        &self,
        values: &[T],
        hull: fn(&[T]) -> Option<T>,
        narrow: impl Fn(&Self, &T) -> Option<Self>,
    ) -> Vec<Self> {
        if values.len() <= MOST_ALTERNATIVES {
            return values.iter().filter_map(|v| narrow(self, v)).collect();
        }
        match hull(values) {
            Some(hull) => narrow(self, &hull).into_iter().collect(),
            None => vec![self.clone()],
        }
    }

    fn of_version(&self, v6: bool) -> Self {
        Self { v6: Some(v6), ..self.clone() }
    }

    fn of_prefix(&self, prefix: Prefix) -> Option<Self> {
        self.v6.is_none_or(|v6| v6 == prefix.is_v6()).then(|| self.of_version(prefix.is_v6()))
    }

    fn prefix_hull(prefixes: &[Prefix]) -> Option<Prefix> {
        let (first, rest) = prefixes.split_first()?;
        rest.iter().try_fold(*first, |hull, prefix| hull.or(*prefix))
    }

    /// Whether it holds all that the other holds, as far as their properties are the same or not given here.
    fn covers(&self, other: &Self) -> bool {
        fn field<T: PartialEq>(mine: &Option<T>, other: &Option<T>) -> bool {
            mine.is_none() || mine == other
        }
        field(&self.v6, &other.v6)
            && field(&self.src, &other.src)
            && field(&self.dst, &other.dst)
            && field(&self.proto, &other.proto)
            && field(&self.sport, &other.sport)
            && field(&self.dport, &other.dport)
            && field(&self.iif, &other.iif)
            && field(&self.oif, &other.oif)
    }
}

/// Adds selectors that are not covered yet; too many become one that holds them all.
pub(super) fn merge(into: &mut Vec<Selector>, more: impl IntoIterator<Item = Selector>, most: usize) {
    for selector in more {
        if into.iter().any(|s| s.covers(&selector)) {
            continue;
        }
        into.retain(|s| !selector.covers(s));
        into.push(selector);
    }
    if into.len() > most {
        let common = |pick: fn(&Selector) -> Option<u8>| {
            let first = into.first().and_then(pick);
            first.filter(|_| into.iter().all(|s| pick(s) == first))
        };
        let v6 = common(|s| s.v6.map(u8::from)).map(|v6| v6 == 1);
        let proto = common(|s| s.proto);
        *into = vec![Selector { v6, proto, ..Selector::default() }];
    }
}

fn meet<T>(mine: Option<T>, other: T, and: impl Fn(T, T) -> Option<T>) -> Option<T> {
    match mine {
        Some(mine) => and(mine, other),
        None => Some(other),
    }
}

fn overlap(a: (u16, u16), b: (u16, u16)) -> Option<(u16, u16)> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 <= both.1).then_some(both)
}

fn port_hull(ranges: &[(u16, u16)]) -> Option<(u16, u16)> {
    let low = ranges.iter().map(|r| r.0).min()?;
    Some((low, ranges.iter().map(|r| r.1).max()?))
}

/// The narrower of two patterns where that is plain to see; none if no name fits both.
fn interface(mine: &Option<IfPattern>, other: &IfPattern) -> Option<IfPattern> {
    let Some(mine) = mine else { return Some(other.clone()) };
    let name = |pattern: &IfPattern| {
        pattern.to_string().parse::<IfName>().ok().filter(|n| !n.as_str().contains('*'))
    };
    match (name(mine), name(other)) {
        (Some(exact), _) => other.matches(&exact).then(|| mine.clone()),
        (_, Some(exact)) => mine.matches(&exact).then(|| other.clone()),
        _ => Some(mine.clone()),
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports =
            |(low, high): (u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
        let version = self.v6.map(|v6| if v6 { "ip6" } else { "ip" }.to_owned());
        let parts = [
            version,
            self.src.map(|p| format!("from {p}")),
            self.dst.map(|p| format!("to {p}")),
            self.proto.map(|p| format!("proto {p}")),
            self.sport.map(|p| format!("sport {}", ports(p))),
            self.dport.map(|p| format!("dport {}", ports(p))),
            self.iif.as_ref().map(|i| format!("in {i}")),
            self.oif.as_ref().map(|o| format!("out {o}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.pad(&if parts.is_empty() { "any".to_owned() } else { parts.join(" ") })
    }
}
