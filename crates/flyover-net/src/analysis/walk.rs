//! Follows rules from a base chain.
//!
//! Invariant: it ends, on any rule set. What it has no time to follow is a judge of everything.

use std::collections::{BTreeMap, HashMap};

use super::MOST_SELECTORS;
use super::selector::{Selector, merge};
use crate::ruleset::{Chain, Condition, Rule, Step, Table, Verdict};

/// The kernel follows 16 jumps.
const DEEPEST: u32 = 32;
/// How many rules are looked at before it gives up; a second of work at most.
const BUDGET: u32 = 2_000_000;
/// The contexts in which one chain is followed; more become one.
const MOST_CONTEXTS: usize = 16;

/// Chain and number of a rule, and what in it judges.
pub(super) type Found = BTreeMap<((String, u64), String), Vec<Selector>>;

/// A walk through one table.
pub(super) struct Walk<'a> {
    chains: HashMap<&'a str, &'a Chain>,
    /// Chains from which a judge can be reached.
    judging: HashMap<&'a str, bool>,
    /// What leaves a chain that was entered like that.
    passed: HashMap<(&'a str, u8, Vec<Selector>), u8>,
    budget: u32,
    pub(super) found: Found,
}

/// Where a packet stands within a rule.
struct At {
    selectors: Vec<Selector>,
    states: u8,
    /// Whether nothing but conntrack states was asked for yet.
    plain: bool,
}

/// A chain while it is followed.
struct Visit<'a> {
    chain: &'a Chain,
    from: Vec<Selector>,
    depth: u32,
    /// The states of packets that go on to the next rule.
    on: u8,
    /// The states of packets that have returned from the chain.
    returned: u8,
}

impl<'a> Walk<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let chains: HashMap<_, _> = table.chains.iter().map(|c| (c.name.as_str(), c)).collect();
        let mut walk = Self {
            chains,
            judging: HashMap::new(),
            passed: HashMap::new(),
            budget: BUDGET,
            found: Found::new(),
        };
        for chain in &table.chains {
            walk.mark(chain, 0);
        }
        walk
    }

    /// Whether a judge can be reached from the chain.
    fn mark(&mut self, chain: &'a Chain, depth: u32) -> bool {
        if let Some(known) = self.judging.get(chain.name.as_str()) {
            return *known;
        }
        if depth > DEEPEST {
            return true;
        }
        // Until it is known, also to those that come back here in a circle, it counts as judging.
        self.judging.insert(&chain.name, true);
        let judging = chain
            .rules
            .iter()
            .flat_map(|r| &r.steps)
            .fold(false, |found, step| found | self.step_judges(step, depth));
        self.judging.insert(&chain.name, judging);
        judging
    }

    fn step_judges(&mut self, step: &'a Step, depth: u32) -> bool {
        match step {
            Step::Judge(_) => true,
            Step::Require(_) => false,
            Step::Verdict(verdict) => self.verdict_judges(verdict, depth),
            Step::Choose(choices) => {
                choices.iter().fold(false, |found, (_, v)| found | self.verdict_judges(v, depth))
            }
        }
    }

    fn verdict_judges(&mut self, verdict: &'a Verdict, depth: u32) -> bool {
        let (Verdict::Jump(to) | Verdict::Goto(to)) = verdict else { return false };
        match self.chains.get(to.as_str()).copied() {
            Some(chain) => self.mark(chain, depth + 1),
            None => true,
        }
    }

    /// Follows a chain; returns the states of packets that leave it at its end or by a return.
    pub(super) fn chain(&mut self, chain: &'a Chain, from: &[Selector], states: u8, depth: u32) -> u8 {
        let judging = self.judging.get(chain.name.as_str()).copied().unwrap_or(true);
        // Without a judge ahead it does not matter which packets come, only whether established ones get through.
        let mut from = if judging { from.to_vec() } else { vec![Selector::default()] };
        merge(&mut from, [], MOST_CONTEXTS);
        let key = (chain.name.as_str(), states, from.clone());
        if let Some(passed) = self.passed.get(&key) {
            return *passed;
        }
        if depth > DEEPEST {
            self.give_up(chain);
            return states;
        }
        let mut visit = Visit { chain, from, depth, on: states, returned: 0 };
        for rule in &chain.rules {
            if visit.on == 0 {
                break;
            }
            let Some(rest) = self.budget.checked_sub(1) else {
                self.give_up(chain);
                return states;
            };
            self.budget = rest;
            self.rule(&mut visit, rule);
        }
        let passed = visit.on | visit.returned;
        self.passed.insert(key, passed);
        passed
    }

    fn rule(&mut self, visit: &mut Visit<'a>, rule: &'a Rule) {
        let mut at = At { selectors: visit.from.clone(), states: visit.on, plain: true };
        for step in &rule.steps {
            match step {
                Step::Require(condition) => at.require(condition),
                Step::Judge(what) => {
                    at.plain = false;
                    self.record(visit.chain, rule.number, what, &at.selectors);
                }
                Step::Verdict(verdict) => {
                    let on = self.verdict(visit, verdict, &at);
                    let taken = if at.plain { at.states } else { 0 };
                    visit.on = visit.on & !taken | on;
                    return;
                }
                Step::Choose(choices) => self.choose(visit, choices, &mut at),
            }
            if !at.possible() {
                return;
            }
        }
    }

    /// The keys of a map exclude each other, but what is known of them may not: so no choice is believed to take
    /// packets away that another one may send to the next rule.
    fn choose(&mut self, visit: &mut Visit<'a>, choices: &'a [(Vec<Condition>, Verdict)], at: &mut At) {
        let (mut taken, mut on) = (0, 0);
        for (when, verdict) in choices {
            let mut chosen = At { selectors: at.selectors.clone(), ..*at };
            when.iter().for_each(|c| chosen.require(c));
            if chosen.possible() {
                on |= self.verdict(visit, verdict, &chosen);
                taken |= if chosen.plain { chosen.states } else { 0 };
            }
        }
        visit.on = visit.on & !taken | on;
        at.states &= !taken;
        // Packets that were chosen do not come to the rest of the rule, so it no longer speaks for all.
        at.plain = false;
    }

    /// Follows a verdict; returns the states of packets that go on to the next rule after it.
    fn verdict(&mut self, visit: &mut Visit<'a>, verdict: &'a Verdict, at: &At) -> u8 {
        let mut follow = |to: &str| match self.chains.get(to).copied() {
            Some(next) => self.chain(next, &at.selectors, at.states, visit.depth + 1),
            None => {
                self.give_up(visit.chain);
                at.states
            }
        };
        match verdict {
            Verdict::End => 0,
            Verdict::Continue => at.states,
            Verdict::Jump(to) => follow(to),
            Verdict::Goto(to) => {
                visit.returned |= follow(to);
                0
            }
            Verdict::Return => {
                visit.returned |= at.states;
                0
            }
        }
    }

    fn record(&mut self, chain: &Chain, number: u64, what: &str, selectors: &[Selector]) {
        let known = self.found.entry(((chain.name.clone(), number), what.to_owned())).or_default();
        merge(known, selectors.iter().cloned(), MOST_SELECTORS);
    }

    /// The chain cannot be followed, so everything in it may be judged.
    fn give_up(&mut self, chain: &Chain) {
        self.record(chain, 0, "a rule set too large to follow", &[Selector::default()]);
    }
}

impl At {
    fn require(&mut self, condition: &Condition) {
        match condition {
            Condition::States(mask) => self.states &= mask,
            other => {
                self.plain = false;
                self.selectors = self.selectors.iter().flat_map(|s| s.narrow(other)).collect();
                merge(&mut self.selectors, [], MOST_SELECTORS);
            }
        }
    }

    /// Whether any packet of interest gets here.
    fn possible(&self) -> bool {
        self.states != 0 && !self.selectors.is_empty()
    }
}
