//! The rules of a lab in each of their forms.

use std::collections::BTreeSet;

use super::*;
use crate::spec::IpMode;

fn spec(rules: RuleForm, ip: IpMode) -> LabSpec {
    let name = "lab".parse().unwrap();
    LabSpec { nodes: 1, pods: 1, services: 1, network_policy: true, rules, ip, ..LabSpec::new(name) }
}

fn printed(texts: &[RuleText]) -> String {
    texts.iter().map(|text| format!("# {text}\n{}", text.input)).collect()
}

#[test]
fn iptables_rules_are_those_of_kube_proxy_flannel_and_kube_router() {
    insta::assert_snapshot!(printed(&of_node(&spec(RuleForm::Iptables, IpMode::V4), 1)));
}

#[test]
fn iptables_rules_for_ipv6_let_neighbours_find_each_other() {
    insta::assert_snapshot!(printed(&of_node(&spec(RuleForm::IptablesLegacy, IpMode::V6), 1)));
}

#[test]
fn nft_rules_are_those_of_kube_proxy_flannel_and_a_policy_engine() {
    insta::assert_snapshot!(printed(&of_node(&spec(RuleForm::Nft, IpMode::Dual), 1)));
}

#[test]
fn without_rules_there_is_nothing_to_apply_and_no_tool_to_have() {
    let spec = spec(RuleForm::None, IpMode::Dual);
    assert_eq!((of_node(&spec, 1), none_of_node(&spec), tools(&spec)), (vec![], vec![], vec![]));
}

#[test]
fn no_two_chains_of_a_large_cluster_share_a_name() {
    let names: BTreeSet<_> = (0..50_000).map(|n| chain_hash(&format!("dummy/svc-{n}:tcp-80"))).collect();
    assert_eq!(names.len(), 50_000);
    assert!(names.iter().all(|name| name.len() == 16));
}
