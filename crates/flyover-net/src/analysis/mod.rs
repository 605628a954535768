//! Which rules judge the packets of established, forwarded flows one by one.
//!
//! A bypass that skips such a rule changes what the node does: a limit would not be reached, a quota not used up, a
//! packet not logged. Each rule is followed from the base chains with the conjunction of all conditions on the way.
//! Rules of type `nat` are asked once for each connection and do not count, and neither does what established
//! packets never reach.
//!
//! Invariants: no I/O. A selector holds every packet its rule may see, and maybe more: what is not understood widens.

mod selector;
mod walk;

use std::fmt;

use flyover_core::{Flow, IfName};

pub use selector::Selector;

use crate::ruleset::{Base, Chain, Family, Hook, Origin, Ruleset, Table, states};
use walk::Walk;

/// The selectors of one rule that are kept apart; more become one that holds them all.
const MOST_SELECTORS: usize = 64;

/// Where conntrack hangs on prerouting and output.
const CONNTRACK_PRIORITY: i32 = -200;

/// What a rule set does to bypassed traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// Every rule that judges, in the order of the rule set.
    pub judges: Vec<Judge>,
    /// Whether some rule makes the kernel track connections.
    pub conntrack: bool,
    /// The generation of the nf_tables part that was analysed.
    pub generation: Option<u32>,
}

/// A rule that looks at each packet by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judge {
    /// What in the rule does, such as `limit` or `NFLOG`.
    pub what: String,
    /// Which rule: `table ip filter chain FORWARD handle 12`, `iptables -t filter FORWARD rule 3`.
    pub rule: String,
    /// Whether it judges a tunnel's outer packets; else those that are forwarded.
    pub outer: bool,
    /// Which packets; any of these.
    pub selectors: Vec<Selector>,
}

impl Analysis {
    /// Analyses a rule set.
    #[must_use]
    pub fn of(ruleset: &Ruleset) -> Self {
        let mut judges = Vec::new();
        for table in &ruleset.tables {
            for chain in &table.chains {
                let Some(base) = chain.base.as_ref().filter(|b| !b.nat) else { continue };
                for outer in [false, true] {
                    for found in follow(table, chain, base, outer) {
                        add(&mut judges, found);
                    }
                }
            }
        }
        let mut rules = ruleset.tables.iter().flat_map(|t| &t.chains).flat_map(|c| &c.rules);
        let conntrack = rules.any(|r| r.conntrack);
        Self { judges, conntrack, generation: ruleset.generation }
    }

    /// The first rule that judges the packets of this flow in this direction, when they are forwarded.
    #[must_use]
    pub fn judge_of(&self, flow: &Flow, iif: Option<&IfName>, oif: Option<&IfName>) -> Option<&Judge> {
        self.judges.iter().find(|j| !j.outer && j.concerns(flow, iif, oif))
    }
}

impl Judge {
    /// Whether it may see a packet of this flow that comes in and goes out there; a device not given may be any.
    #[must_use]
    pub fn concerns(&self, flow: &Flow, iif: Option<&IfName>, oif: Option<&IfName>) -> bool {
        self.selectors.iter().any(|s| s.concerns(flow, iif, oif))
    }
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.what, self.rule)?;
        f.write_str(if self.outer { ", of outer packets " } else { ", of packets " })?;
        let selectors: Vec<String> = self.selectors.iter().map(ToString::to_string).collect();
        f.write_str(&selectors.join(" or "))
    }
}

/// Follows one base chain for the inner or the outer packets.
fn follow(table: &Table, chain: &Chain, base: &Base, outer: bool) -> Vec<Judge> {
    let passes = match base.hook {
        Hook::Prerouting | Hook::Postrouting | Hook::Ingress | Hook::Egress => true,
        Hook::Forward => !outer,
        Hook::Input | Hook::Output => outer,
    };
    if !passes || table.family == Family::Arp {
        return Vec::new();
    }
    let states = possible_states(table.family, base, outer);
    let mut walk = Walk::new(table);
    walk.chain(chain, &entering(table.family, base, outer), states, 0);
    let found = walk.found.into_iter();
    found
        .map(|((number, what), selectors)| Judge {
            what,
            rule: name_of(table, &number.0, number.1),
            outer,
            selectors,
        })
        .collect()
}

/// The conntrack states that packets of interest may be in when they come to a base chain.
fn possible_states(family: Family, base: &Base, outer: bool) -> u8 {
    // Answers to a tunnel's packet come with other ports, so to conntrack each outer flow stays NEW for ever.
    let tracked = if outer { states::ESTABLISHED | states::NEW } else { states::ESTABLISHED };
    let untracked = states::INVALID | states::UNTRACKED;
    let late = !matches!(base.hook, Hook::Prerouting | Hook::Output) || base.priority > CONNTRACK_PRIORITY;
    let on_device = matches!(base.hook, Hook::Ingress | Hook::Egress);
    match (family, outer) {
        // Bridges and devices see packets with an entry or without.
        (Family::Bridge | Family::Netdev, _) => tracked | untracked,
        _ if on_device || base.priority == CONNTRACK_PRIORITY => tracked | untracked,
        // Before conntrack has seen a packet, `ct state` calls it invalid.
        _ if !late => untracked,
        (_, true) => tracked | states::UNTRACKED,
        (_, false) => tracked,
    }
}

/// What may enter a base chain.
fn entering(family: Family, base: &Base, outer: bool) -> Vec<Selector> {
    let v6 = match family {
        Family::Ip => Some(false),
        Family::Ip6 => Some(true),
        _ => None,
    };
    let any = Selector { v6, proto: outer.then_some(17), ..Selector::default() };
    let on = |device: &String| match (device.parse().ok(), base.hook) {
        (Some(device), Hook::Ingress) => Selector { iif: Some(device), ..any.clone() },
        (Some(device), Hook::Egress) => Selector { oif: Some(device), ..any.clone() },
        _ => any.clone(),
    };
    if base.devices.is_empty() { vec![any] } else { base.devices.iter().map(on).collect() }
}

fn name_of(table: &Table, chain: &str, number: u64) -> String {
    let name = &table.name;
    match (table.origin, table.family) {
        (Origin::Nft, family) => format!("table {} {name} chain {chain} handle {number}", family.name()),
        (Origin::Legacy, Family::Ip6) => format!("ip6tables -t {name} {chain} rule {number}"),
        (Origin::Legacy, _) => format!("iptables -t {name} {chain} rule {number}"),
    }
}

/// A rule that is reached by several base chains is one judge.
fn add(judges: &mut Vec<Judge>, found: Judge) {
    match judges.iter_mut().find(|j| (&j.rule, &j.what, j.outer) == (&found.rule, &found.what, found.outer)) {
        Some(judge) => selector::merge(&mut judge.selectors, found.selectors, MOST_SELECTORS),
        None => judges.push(found),
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod root;
#[cfg(test)]
mod tests;
