//! Random rule sets against a slow and simple reader of rules: whatever judges a packet there must be found here.

use std::net::SocketAddr;

use flyover_core::Proto;
use proptest::prelude::*;

use super::*;
use crate::ruleset::{Condition, Prefix, Rule, Step, Verdict};

/// A packet, and the answer to each question that is not understood.
#[derive(Clone, Debug)]
struct Packet {
    flow: Flow,
    iif: IfName,
    oif: IfName,
    state: u8,
    unknown: u64,
}

const CHAINS: usize = 4;

fn octets() -> impl Strategy<Value = [u8; 4]> {
    (0_u8..2, 0_u8..2).prop_map(|(c, d)| [10, 0, c, d])
}

fn prefixes() -> impl Strategy<Value = Vec<Prefix>> {
    prop::collection::vec((octets(), 22_u8..=32).prop_map(|(ip, len)| Prefix::new(ip.into(), len)), 1..20)
}

fn ports() -> impl Strategy<Value = Vec<(u16, u16)>> {
    prop::collection::vec((0_u16..8, 0_u16..4).prop_map(|(low, more)| (low, low + more)), 1..20)
}

fn condition() -> impl Strategy<Value = Condition> {
    let name = || prop::sample::select(vec!["eth0", "eth*", "veth1", "veth*", "*"]);
    prop_oneof![
        prefixes().prop_map(Condition::Src),
        prefixes().prop_map(Condition::Dst),
        prop::collection::vec(prop::sample::select(vec![1_u8, 6, 17]), 1..3).prop_map(Condition::Proto),
        ports().prop_map(Condition::Sport),
        ports().prop_map(Condition::Dport),
        name().prop_map(|n| Condition::Iif(n.parse().unwrap())),
        name().prop_map(|n| Condition::Oif(n.parse().unwrap())),
        any::<u8>().prop_map(|s| Condition::States(s & states::ALL)),
        Just(Condition::States(states::ESTABLISHED | states::RELATED)),
        any::<bool>().prop_map(Condition::V6),
        Just(Condition::Unknown),
    ]
}

/// Chains are jumped to forwards only, as the kernel forbids circles.
fn verdict(chain: usize) -> impl Strategy<Value = Verdict> {
    let to = (chain + 1..=CHAINS.max(chain + 1)).prop_map(|n| n.to_string());
    let last = chain == CHAINS;
    prop_oneof![
        Just(Verdict::End),
        Just(Verdict::Return),
        Just(Verdict::Continue),
        to.clone().prop_map(move |to| if last { Verdict::Return } else { Verdict::Jump(to) }),
        to.prop_map(move |to| if last { Verdict::End } else { Verdict::Goto(to) }),
    ]
}

fn step(chain: usize) -> impl Strategy<Value = Step> {
    let choice = (prop::collection::vec(condition(), 0..3), verdict(chain));
    prop_oneof![
        4 => condition().prop_map(Step::Require),
        2 => prop::sample::select(vec!["limit", "log"]).prop_map(|j| Step::Judge(j.to_owned())),
        2 => verdict(chain).prop_map(Step::Verdict),
        1 => prop::collection::vec(choice, 0..4).prop_map(Step::Choose),
    ]
}

fn chain(number: usize) -> impl Strategy<Value = Chain> {
    let rule = prop::collection::vec(step(number), 0..5);
    prop::collection::vec(rule, 0..6).prop_map(move |rules| {
        let rule = |(number, steps)| Rule { number, steps, conntrack: false };
        let base = Base { hook: Hook::Forward, priority: 0, nat: false, devices: Vec::new() };
        let rules = (1..).zip(rules).map(rule).collect();
        Chain { name: number.to_string(), base: (number == 0).then_some(base), rules }
    })
}

fn table() -> impl Strategy<Value = Table> {
    let chains = (chain(0), chain(1), chain(2), chain(3), chain(4));
    chains.prop_map(|(a, b, c, d, e)| Table {
        origin: Origin::Nft,
        family: Family::Inet,
        name: "t".to_owned(),
        chains: vec![a, b, c, d, e],
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let end = || (octets(), 0_u16..10).prop_map(|(ip, port)| SocketAddr::new(ip.into(), port));
    let name =
        || prop::sample::select(vec!["eth0", "eth1", "veth1", "veth2"]).prop_map(|n| n.parse().unwrap());
    let proto = prop::sample::select(vec![Proto::Tcp, Proto::Udp]);
    (end(), end(), proto, name(), name(), any::<u64>()).prop_map(|(src, dst, proto, iif, oif, unknown)| {
        Packet { flow: Flow { proto, src, dst }, iif, oif, state: states::ESTABLISHED, unknown }
    })
}

/// Runs a packet through a table as the kernel does.
struct Kernel<'a> {
    table: &'a Table,
    packet: Packet,
    judged: Vec<(String, String)>,
}

impl Kernel<'_> {
    fn fits(&mut self, condition: &Condition) -> bool {
        let Packet { flow, iif, oif, state, .. } = &self.packet;
        let any =
            |ranges: &[(u16, u16)], port| ranges.iter().any(|(low, high)| (*low..=*high).contains(&port));
        match condition {
            Condition::V6(v6) => *v6 == flow.src.is_ipv6(),
            Condition::Src(prefixes) => prefixes.iter().any(|p| p.contains(flow.src.ip())),
            Condition::Dst(prefixes) => prefixes.iter().any(|p| p.contains(flow.dst.ip())),
            Condition::Proto(protos) => protos.contains(&flow.proto.number()),
            Condition::Sport(ranges) => any(ranges, flow.src.port()),
            Condition::Dport(ranges) => any(ranges, flow.dst.port()),
            Condition::Iif(pattern) => pattern.matches(iif),
            Condition::Oif(pattern) => pattern.matches(oif),
            Condition::States(mask) => mask & state != 0,
            Condition::Slow => false,
            Condition::Unknown => {
                self.packet.unknown = self.packet.unknown.rotate_left(1);
                self.packet.unknown & 1 == 1
            }
        }
    }

    /// Whether the packet comes back from the chain.
    fn chain(&mut self, name: &str) -> bool {
        let table = self.table;
        let chain = table.chains.iter().find(|c| c.name == name).unwrap();
        for rule in &chain.rules {
            match self.rule(chain, rule) {
                Some(Verdict::End) => return false,
                Some(Verdict::Return) => return true,
                Some(Verdict::Goto(to)) => return self.chain(&to),
                Some(Verdict::Jump(to)) if !self.chain(&to) => return false,
                _ => {}
            }
        }
        true
    }

    fn rule(&mut self, chain: &Chain, rule: &Rule) -> Option<Verdict> {
        for step in &rule.steps {
            match step {
                Step::Require(condition) if !self.fits(condition) => return None,
                Step::Require(_) => {}
                Step::Judge(what) => {
                    self.judged.push((name_of(self.table, &chain.name, rule.number), what.clone()));
                }
                Step::Verdict(verdict) => return Some(verdict.clone()),
                Step::Choose(choices) => {
                    let chosen = choices.iter().find(|(when, _)| when.iter().all(|c| self.fits(c)));
                    if let Some((_, verdict)) = chosen {
                        return Some(verdict.clone());
                    }
                }
            }
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_judges_a_packet_is_found(table in table(), packet in packet()) {
        let analysis = Analysis::of(&Ruleset { generation: None, tables: vec![table.clone()] });
        let Packet { flow, iif, oif, .. } = packet.clone();
        let mut kernel = Kernel { table: &table, packet, judged: Vec::new() };
        kernel.chain("0");
        for (rule, what) in kernel.judged {
            let mut judges = analysis.judges.iter().filter(|j| !j.outer && j.rule == rule && j.what == what);
            prop_assert!(judges.any(|j| j.concerns(&flow, Some(&iif), Some(&oif))), "{what} in {rule}: {:?}", analysis.judges);
        }
    }
}
