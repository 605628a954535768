//! nf_tables, as the kernel lists them.

mod chain;
mod expr;
mod field;
mod lookup;
mod set;

use chain::{ChainHead, parse_chain, split};
use expr::{Run, Scope};
use set::{SetName, Sets, parse_elements, parse_set};

use super::model::{Base, Chain, Family, Origin, Rule, Table};
use crate::nl::{Attrs, Malformed, NlError, Request, Talk, be64, messages};

/// `NFNL_SUBSYS_NFTABLES`, and its messages.
const NFT: u16 = 10 << 8;
const NEW_CHAIN: u16 = NFT | 3;
const GET_CHAIN: u16 = NFT | 4;
const NEW_RULE: u16 = NFT | 6;
const GET_RULE: u16 = NFT | 7;
const NEW_SET: u16 = NFT | 9;
const GET_SET: u16 = NFT | 10;
const NEW_ELEMENTS: u16 = NFT | 12;
const GET_ELEMENTS: u16 = NFT | 13;
const NEW_GENERATION: u16 = NFT | 15;
const GET_GENERATION: u16 = NFT | 16;

/// How often a rule set that changes while it is read is read again.
const TRIES: u32 = 10;

/// Puts messages together to tables. Chains and sets may come in any order; rules are understood at the end.
#[derive(Debug, Default)]
struct Builder {
    chains: Vec<ChainHead>,
    sets: Sets,
    rules: Vec<Vec<u8>>,
}

impl Builder {
    fn add(&mut self, kind: u16, body: &[u8]) -> Result<(), Malformed> {
        match kind {
            NEW_CHAIN => self.chains.extend(parse_chain(body)?),
            NEW_RULE => self.rules.push(body.to_vec()),
            NEW_SET => self.sets.extend(parse_set(body)?),
            NEW_ELEMENTS => parse_elements(body, &mut self.sets)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Table>, Malformed> {
        let mut tables: Vec<Table> = Vec::new();
        for head in self.chains {
            let chain = Chain { name: head.name, base: head.base, rules: Vec::new() };
            match tables.iter_mut().find(|t| t.family == head.family && t.name == head.table) {
                Some(table) => table.chains.push(chain),
                None => tables.push(Table {
                    origin: Origin::Nft,
                    family: head.family,
                    name: head.table,
                    chains: vec![chain],
                }),
            }
        }
        let mut places = places(&tables);
        for body in &self.rules {
            let Some((place, rule)) = parse_rule(body, &self.sets)? else { continue };
            let Some(rules) = places.get_mut(&place) else { continue };
            rules.push(rule);
        }
        for table in &mut tables {
            for chain in &mut table.chains {
                let place = (table.family, table.name.clone(), chain.name.clone());
                chain.rules = places.remove(&place).unwrap_or_default();
            }
        }
        Ok(tables)
    }
}

/// Family, table and chain of a rule.
type Place = (Family, String, String);

fn places(tables: &[Table]) -> std::collections::HashMap<Place, Vec<Rule>> {
    let chains = tables.iter().flat_map(|t| t.chains.iter().map(move |c| (t, c)));
    chains.map(|(t, c)| ((t.family, t.name.clone(), c.name.clone()), Vec::new())).collect()
}

fn parse_rule(body: &[u8], sets: &Sets) -> Result<Option<(Place, Rule)>, Malformed> {
    let bad = Malformed { what: "rule" };
    let (family, attrs) = split(body, "rule")?;
    let Some(family) = family else { return Ok(None) };
    let (table, chain) = (attrs.text(1).ok_or(bad)?, attrs.text(2).ok_or(bad)?);
    let number = attrs.get(3).and_then(be64).ok_or(bad)?;
    let mut run = Run::new(Scope { family, table: &table, sets });
    run.all(attrs.nested(4, "rule expressions")?)?;
    let rule = Rule { number, steps: run.steps, conntrack: run.conntrack };
    Ok(Some(((family, table, chain), rule)))
}

/// Understands netlink messages as the kernel sends them: `NFT_MSG_NEWCHAIN`, `NEWSET`, `NEWSETELEM`, `NEWRULE`.
/// Never panics.
pub fn parse(bytes: &[u8]) -> Result<Vec<Table>, Malformed> {
    let mut builder = Builder::default();
    for message in messages(bytes) {
        let message = message?;
        builder.add(message.kind, message.body)?;
    }
    builder.finish()
}

/// Reads all tables of the calling thread's namespace, and their generation. A kernel without nf_tables has none.
pub fn read() -> Result<(Option<u32>, Vec<Table>), NlError> {
    const WHAT: &str = "nf_tables";
    let mut talk = Talk::open(libc::NETLINK_NETFILTER, WHAT)?;
    for _ in 0..TRIES {
        let before = match generation(&mut talk) {
            Err(error) if error.is_absent() => return Ok((None, Vec::new())),
            other => other?,
        };
        let tables = match tables(&mut talk) {
            Err(NlError::Interrupted { .. }) => continue,
            other => other?,
        };
        if generation(&mut talk)? == before {
            return Ok((Some(before), tables));
        }
    }
    Err(NlError::Interrupted { what: WHAT })
}

/// The generation alone: each change of nf_tables raises it. None on a kernel without nf_tables.
pub fn current_generation() -> Result<Option<u32>, NlError> {
    match generation(&mut Talk::open(libc::NETLINK_NETFILTER, "nf_tables")?) {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

/// Every base chain, without looking at the rules.
pub(crate) fn base_chains() -> Result<Vec<(Family, String, String, Base)>, NlError> {
    let mut talk = Talk::open(libc::NETLINK_NETFILTER, "chains")?;
    let mut builder = Builder::default();
    match list(&mut talk, GET_CHAIN, &mut builder) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        other => other?,
    }
    let with_base = |c: ChainHead| c.base.map(|base| (c.family, c.table, c.name, base));
    Ok(builder.chains.into_iter().filter_map(with_base).collect())
}

fn generation(talk: &mut Talk) -> Result<u32, NlError> {
    let mut generation = None;
    talk.ask("the rule set's generation", &Request::get(GET_GENERATION, &[0; 4]), |message| {
        if message.kind == NEW_GENERATION {
            let attrs = Attrs::parse(message.body.get(4..).unwrap_or_default(), "generation")?;
            generation = attrs.be32(1);
        }
        Ok(())
    })?;
    let source = Malformed { what: "generation" };
    generation.ok_or(NlError::Malformed { what: "the rule set's generation", source })
}

fn tables(talk: &mut Talk) -> Result<Vec<Table>, NlError> {
    let mut builder = Builder::default();
    list(talk, GET_CHAIN, &mut builder)?;
    list(talk, GET_SET, &mut builder)?;
    let wanted = builder.sets.iter().filter(|(_, set)| set.wants_elements());
    let wanted: Vec<SetName> = wanted.map(|(name, _)| name.clone()).collect();
    for (family, table, set) in wanted {
        let request = Request::dump(GET_ELEMENTS, &[number(family), 0, 0, 0]);
        let request = request.attr(1, &closed(&table)).attr(2, &closed(&set));
        fill(talk, &request, &mut builder)?;
    }
    list(talk, GET_RULE, &mut builder)?;
    builder.finish().map_err(|source| NlError::Malformed { what: "rules", source })
}

fn list(talk: &mut Talk, kind: u16, builder: &mut Builder) -> Result<(), NlError> {
    fill(talk, &Request::dump(kind, &[0; 4]), builder)
}

fn fill(talk: &mut Talk, request: &Request, builder: &mut Builder) -> Result<(), NlError> {
    talk.ask("rules", request, |message| builder.add(message.kind, message.body))
}

fn closed(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Arp => 3,
        Family::Netdev => 5,
        Family::Bridge => 7,
        Family::Ip6 => 10,
    }
}
