//! A rule's expressions, run on paper: registers hold fields, comparisons become conditions, and whatever looks at
//! each packet by itself becomes a judge.
//!
//! Invariant: an expression this does not know is a judge.

use std::collections::BTreeMap;

use super::super::model::{Condition, Family, Step, Verdict};
use super::super::xt;
use super::field::{Field, Known, Loaded, judged};
use super::lookup;
use super::set::Sets;
use crate::nl::{Attrs, Malformed, be32};

/// Where a rule stands.
pub(super) struct Scope<'a> {
    pub(super) family: Family,
    pub(super) table: &'a str,
    pub(super) sets: &'a Sets,
}

/// The state of the run.
pub(super) struct Run<'a> {
    pub(super) scope: Scope<'a>,
    /// By number of the first 32-bit word.
    pub(super) registers: BTreeMap<u32, Loaded>,
    pub(super) known: Known,
    pub(super) steps: Vec<Step>,
    pub(super) conntrack: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(scope: Scope<'a>) -> Self {
        let known = Known::of(scope.family);
        Self { scope, registers: BTreeMap::new(), known, steps: Vec::new(), conntrack: false }
    }

    /// Runs `NFTA_RULE_EXPRESSIONS`.
    pub(super) fn all(&mut self, expressions: Attrs<'_>) -> Result<(), Malformed> {
        for expression in expressions.iter() {
            let expression = Attrs::parse(expression.value, "expression")?;
            let name = expression.text(1).ok_or(Malformed { what: "expression" })?;
            self.one(&name, expression.nested(2, "expression data")?)?;
        }
        Ok(())
    }

    fn one(&mut self, name: &str, data: Attrs<'_>) -> Result<(), Malformed> {
        match name {
            "meta" => self.meta(data),
            "payload" => self.payload(data),
            "ct" => self.ct(data),
            "cmp" => self.cmp(data)?,
            "range" => self.range(data)?,
            "bitwise" => self.bitwise(data)?,
            "lookup" => lookup::run(self, data)?,
            "immediate" => self.immediate(data)?,
            "exthdr" => self.exthdr(data),
            "objref" => self.objref(data),
            "match" | "target" => self.compat(name, data)?,
            // One packet of a flow is like the next to these, or they end its way.
            "byteorder" | "fib" | "rt" | "socket" | "osf" | "xfrm" | "tunnel" | "hash" => self.clobber(),
            "masq" | "nat" | "redir" | "reject" => {
                self.conntrack |= name != "reject";
                self.steps.push(Step::Verdict(Verdict::End));
            }
            "notrack" | "flow_offload" => self.conntrack |= name == "flow_offload",
            // Bookkeeping without a name, which nobody but a person reads.
            "counter" | "last" => {}
            other => self.judge(other),
        }
        Ok(())
    }

    pub(super) fn judge(&mut self, what: impl Into<String>) {
        self.steps.push(Step::Judge(what.into()));
    }

    pub(super) fn require(&mut self, condition: Condition) {
        self.known.learn(&condition);
        self.steps.push(Step::Require(condition));
    }

    /// Some register now holds something of no further interest. Which one is numbered differently by each
    /// expression, so all are forgotten, which only widens.
    fn clobber(&mut self) {
        self.registers.clear();
    }

    fn load(&mut self, register: Option<u32>, field: Field, len: usize) {
        if let Some(register) = register {
            self.registers.insert(word(register), Loaded { field, len, mask: None });
        }
    }

    fn meta(&mut self, data: Attrs<'_>) {
        let key = data.be32(2);
        if data.get(3).is_some() {
            // `meta nftrace set` reports each packet; marks, priority and the like are the same for all of a flow.
            if key == Some(12) {
                self.judge("trace");
            }
            return;
        }
        let (field, len) = match key {
            Some(0) => return self.judge("packet length"),
            Some(20) => return self.judge("cpu"),
            Some(24) => return self.judge("random"),
            Some(1) => (Field::EtherType, 2),
            Some(6) => (Field::Iif, 16),
            Some(7) => (Field::Oif, 16),
            Some(15) => (Field::NfProto, 1),
            Some(16) => (Field::Proto, 1),
            _ => (Field::Other, 4),
        };
        self.load(data.be32(1), field, len);
    }

    fn payload(&mut self, data: Attrs<'_>) {
        if data.get(5).is_some() {
            return self.judge("header rewrite");
        }
        let offset = data.be32(3).unwrap_or(u32::MAX);
        let len = data.be32(4).and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX);
        let field = match data.be32(2) {
            Some(0) if (offset, len) == (12, 2) => Field::EtherType,
            Some(0) if offset.saturating_add(u32::try_from(len).unwrap_or(u32::MAX)) <= 18 => Field::Other,
            Some(1) => Field::Network(offset),
            Some(2) => Field::Transport(offset),
            _ => return self.judge("payload"),
        };
        if let Some(what) = judged(field, len, self.known) {
            self.judge(what);
        }
        self.load(data.be32(1), field, len);
    }

    fn ct(&mut self, data: Attrs<'_>) {
        self.conntrack = true;
        if data.get(4).is_some() {
            return;
        }
        match data.be32(2) {
            Some(0) => self.load(data.be32(1), Field::CtState, 4),
            Some(5) => self.judge("ct expiration"),
            Some(14..=16) => self.judge("connbytes"),
            _ => self.load(data.be32(1), Field::Other, 16),
        }
    }

    fn cmp(&mut self, data: Attrs<'_>) -> Result<(), Malformed> {
        let value = data.nested(3, "comparison")?.get(1).unwrap_or_default();
        let loaded = data.be32(1).and_then(|r| self.registers.get(&word(r)));
        let conditions = match (loaded, data.be32(2)) {
            (Some(loaded), Some(0)) => loaded.equals(value, self.known),
            (Some(loaded), Some(1)) => vec![loaded.differs(value, self.known)],
            (Some(loaded), Some(3)) => vec![loaded.between(&vec![0; value.len()], value, self.known)],
            (Some(loaded), Some(5)) => vec![loaded.between(value, &vec![0xff; value.len()], self.known)],
            _ => vec![Condition::Unknown],
        };
        conditions.into_iter().for_each(|c| self.require(c));
        Ok(())
    }

    fn range(&mut self, data: Attrs<'_>) -> Result<(), Malformed> {
        let from = data.nested(3, "range")?.get(1).unwrap_or_default();
        let to = data.nested(4, "range")?.get(1).unwrap_or_default();
        let loaded = data.be32(1).and_then(|r| self.registers.get(&word(r)));
        let condition = match (loaded, data.be32(2)) {
            (Some(loaded), Some(0)) => loaded.between(from, to, self.known),
            _ => Condition::Unknown,
        };
        self.require(condition);
        Ok(())
    }

    fn bitwise(&mut self, data: Attrs<'_>) -> Result<(), Malformed> {
        let (mask, xor) = (data.nested(4, "mask")?.get(1), data.nested(5, "mask")?.get(1));
        let plain = data.be32(6).unwrap_or(0) == 0 && xor.is_none_or(|x| x.iter().all(|b| *b == 0));
        let before = data.be32(1).and_then(|r| self.registers.get(&word(r))).cloned();
        let Some(destination) = data.be32(2) else { return Ok(()) };
        match (before, mask) {
            (Some(before), Some(mask)) if plain && before.mask.is_none() => {
                let masked = Loaded { mask: Some(mask.to_vec()), ..before };
                self.registers.insert(word(destination), masked);
            }
            _ => drop(self.registers.remove(&word(destination))),
        }
        Ok(())
    }

    fn immediate(&mut self, data: Attrs<'_>) -> Result<(), Malformed> {
        let value = data.nested(2, "immediate")?;
        match (data.be32(1), value.get(2)) {
            (Some(0), Some(code)) => {
                let verdict = verdict(Attrs::parse(code, "verdict")?)?;
                self.steps.push(Step::Verdict(verdict));
            }
            _ => self.clobber(),
        }
        Ok(())
    }

    /// Extension headers take the slow way, and so do the SYNs that carry a segment size (TCP option 2).
    fn exthdr(&mut self, data: Attrs<'_>) {
        let tcp_option = data.be32(6) == Some(1);
        let kind = data.get(2).and_then(|k| k.first());
        if tcp_option && kind != Some(&2) {
            self.judge("tcp option");
        }
        if data.get(7).is_none() {
            self.clobber();
        }
    }

    /// A named object. Helpers, timeouts and expectations belong to the connection; the rest counts packets.
    fn objref(&mut self, data: Attrs<'_>) {
        let of_map = || lookup::set(&self.scope, data.text(4)?).and_then(|set| set.object);
        let name = data.text(2).map_or_else(String::new, |name| format!(" {name}"));
        let what = match data.be32(1).or_else(of_map) {
            Some(3 | 7 | 8 | 9) => return,
            Some(1) => "counter",
            Some(2) => "quota",
            Some(4) => "limit",
            Some(5) => "connlimit",
            _ => "object",
        };
        self.judge(format!("{what}{name}"));
    }

    /// An xtables extension, as `iptables-nft` uses them.
    fn compat(&mut self, kind: &str, data: Attrs<'_>) -> Result<(), Malformed> {
        let name = data.text(1).ok_or(Malformed { what: "extension" })?;
        let revision = data.be32(2).unwrap_or_default();
        let info = data.get(3).unwrap_or_default();
        let meaning =
            if kind == "match" { xt::matches(&name, revision, info) } else { xt::target(&name, info) };
        self.conntrack |= meaning.conntrack;
        for step in meaning.steps {
            match step {
                Step::Require(condition) => self.require(condition),
                other => self.steps.push(other),
            }
        }
        Ok(())
    }
}

/// Registers 1 to 4 have 16 bytes, 8 to 23 are the same room in words of 4.
pub(super) fn word(register: u32) -> u32 {
    match register {
        0..=4 => register.saturating_mul(4),
        _ => register.saturating_sub(4),
    }
}

/// Reads `NFTA_DATA_VERDICT`.
pub(super) fn verdict(attrs: Attrs<'_>) -> Result<Verdict, Malformed> {
    let bad = Malformed { what: "verdict" };
    let code = attrs.get(1).and_then(be32).ok_or(bad)?.cast_signed();
    let chain = || attrs.text(2).ok_or(bad);
    Ok(match code {
        // NFT_CONTINUE, and NFT_BREAK, which ends the rule like a condition that failed.
        -1 | -2 => Verdict::Continue,
        -3 => Verdict::Jump(chain()?),
        -4 => Verdict::Goto(chain()?),
        -5 => Verdict::Return,
        _ => Verdict::End,
    })
}
