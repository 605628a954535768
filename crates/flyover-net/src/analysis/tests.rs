//! Rule sets as data: what is judged, and what is out of reach.

use insta::assert_snapshot;

use super::*;
use crate::ruleset::{Condition, Rule, Step, Verdict, states};

fn rule(number: u64, steps: Vec<Step>) -> Rule {
    Rule { number, steps, conntrack: false }
}

fn require(condition: Condition) -> Step {
    Step::Require(condition)
}

fn judge(what: &str) -> Step {
    Step::Judge(what.to_owned())
}

fn jump(to: &str) -> Step {
    Step::Verdict(Verdict::Jump(to.to_owned()))
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain { name: name.to_owned(), base: None, rules }
}

fn base(name: &str, hook: Hook, rules: Vec<Rule>) -> Chain {
    let base = Base { hook, priority: 0, nat: false, devices: Vec::new() };
    Chain { name: name.to_owned(), base: Some(base), rules }
}

fn analysed(chains: Vec<Chain>) -> String {
    let table = Table { origin: Origin::Nft, family: Family::Ip, name: "t".to_owned(), chains };
    let analysis = Analysis::of(&Ruleset { generation: None, tables: vec![table] });
    let lines: Vec<String> = analysis.judges.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn prefix(ip: [u8; 4], len: u8) -> crate::ruleset::Prefix {
    crate::ruleset::Prefix::new(ip.into(), len)
}

#[test]
fn the_conditions_of_the_jump_and_of_the_rule_both_hold() {
    let forward = vec![
        rule(1, vec![require(Condition::Dst(vec![prefix([10, 0, 0, 0], 8)])), jump("c")]),
        rule(2, vec![require(Condition::Oif("eth0".parse().unwrap())), jump("c")]),
    ];
    let c = vec![rule(
        3,
        vec![
            require(Condition::Proto(vec![6])),
            require(Condition::Dport(vec![(80, 80), (443, 443)])),
            judge("limit"),
        ],
    )];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, forward), chain("c", c)]), @"limit in table ip t chain c handle 3, of packets ip to 10.0.0.0/8 proto 6 dport 80 or ip to 10.0.0.0/8 proto 6 dport 443 or ip proto 6 dport 80 out eth0 or ip proto 6 dport 443 out eth0");
}

#[test]
fn conditions_after_the_judge_do_not_narrow_it() {
    let rules = vec![rule(1, vec![judge("limit"), require(Condition::States(states::NEW))])];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, rules)]), @"limit in table ip t chain f handle 1, of packets ip");
}

#[test]
fn what_only_new_packets_reach_does_not_judge() {
    let rules = vec![
        rule(1, vec![require(Condition::States(states::NEW)), judge("limit")]),
        rule(2, vec![require(Condition::States(states::INVALID | states::UNTRACKED)), judge("log")]),
        rule(3, vec![require(Condition::Slow), judge("limit")]),
    ];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, rules)]), @"");
}

#[test]
fn to_outer_packets_every_flow_is_new() {
    let rules = || vec![rule(1, vec![require(Condition::States(states::NEW)), judge("limit")])];
    let chains = vec![base("i", Hook::Input, rules()), base("p", Hook::Postrouting, rules())];
    assert_snapshot!(analysed(chains), @r"
    limit in table ip t chain i handle 1, of outer packets ip proto 17
    limit in table ip t chain p handle 1, of outer packets ip proto 17
    ");
}

#[test]
fn after_established_was_accepted_nothing_judges_it() {
    let accept =
        vec![require(Condition::States(states::ESTABLISHED | states::RELATED)), Step::Verdict(Verdict::End)];
    let rules = vec![rule(1, accept), rule(2, vec![judge("limit")])];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, rules)]), @"");
}

#[test]
fn an_accept_with_another_condition_lets_the_rest_through() {
    let accept = vec![
        require(Condition::States(states::ESTABLISHED)),
        require(Condition::Iif("eth0".parse().unwrap())),
        Step::Verdict(Verdict::End),
    ];
    let rules = vec![rule(1, accept), rule(2, vec![judge("limit")])];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, rules)]), @"limit in table ip t chain f handle 2, of packets ip");
}

#[test]
fn an_accept_in_a_chain_that_all_pass_counts_and_one_behind_a_return_does_not() {
    let accept =
        || rule(9, vec![require(Condition::States(states::ESTABLISHED)), Step::Verdict(Verdict::End)]);
    let some_return = rule(8, vec![require(Condition::Unknown), Step::Verdict(Verdict::Return)]);
    let passes = |c: Vec<Rule>| {
        let f = vec![rule(1, vec![jump("c")]), rule(2, vec![judge("limit")])];
        analysed(vec![base("f", Hook::Forward, f), chain("c", c)])
    };
    assert_snapshot!(passes(vec![accept()]), @"");
    assert_snapshot!(passes(vec![some_return, accept()]), @"limit in table ip t chain f handle 2, of packets ip");
}

#[test]
fn a_verdict_map_over_states_accepts_established() {
    let choices = vec![
        (vec![Condition::States(states::ESTABLISHED)], Verdict::End),
        (vec![Condition::States(states::INVALID)], Verdict::End),
    ];
    let rules = vec![rule(1, vec![Step::Choose(choices)]), rule(2, vec![judge("limit")])];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, rules)]), @"");
}

#[test]
fn conditions_that_exclude_each_other_are_out_of_reach() {
    let f = vec![rule(1, vec![require(Condition::Dst(vec![prefix([10, 0, 0, 0], 8)])), jump("c")])];
    let c = vec![rule(2, vec![require(Condition::Dst(vec![prefix([192, 168, 0, 0], 16)])), judge("limit")])];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, f), chain("c", c)]), @"");
}

#[test]
fn chains_in_a_circle_or_missing_end_as_a_judge_of_everything() {
    let circle = analysed(vec![base("f", Hook::Forward, vec![rule(1, vec![jump("f")])])]);
    assert_snapshot!(circle, @"a rule set too large to follow in table ip t chain f handle 0, of packets any");
    let missing = analysed(vec![base("f", Hook::Forward, vec![rule(1, vec![jump("nowhere")])])]);
    assert_snapshot!(missing, @"a rule set too large to follow in table ip t chain f handle 0, of packets any");
}

#[test]
fn ten_thousand_rules_that_jump_to_the_same_chain_are_followed_in_time() {
    let to = |n: u64| {
        let [.., a, b] = n.to_be_bytes();
        rule(n, vec![require(Condition::Dst(vec![prefix([10, 0, a, b], 32)])), jump("c")])
    };
    let chains = vec![
        base("f", Hook::Forward, (1..10_000).map(to).collect()),
        chain("c", vec![rule(1, vec![judge("limit")])]),
    ];
    assert_snapshot!(analysed(chains), @"limit in table ip t chain c handle 1, of packets ip");
}

#[test]
fn a_chain_of_type_nat_is_asked_once_for_each_connection() {
    let mut nat = base("n", Hook::Prerouting, vec![rule(1, vec![judge("statistic")])]);
    nat.base.as_mut().unwrap().nat = true;
    assert_snapshot!(analysed(vec![nat]), @"");
}

#[test]
fn a_choice_that_goes_on_is_not_overruled_by_one_that_ends() {
    let choices = vec![(Vec::new(), Verdict::Continue), (Vec::new(), Verdict::End)];
    let rules = vec![rule(1, vec![Step::Choose(choices)]), rule(2, vec![judge("limit")])];
    assert_snapshot!(analysed(vec![base("f", Hook::Forward, rules)]), @"limit in table ip t chain f handle 2, of packets ip");
}
