//! The rules that a node's kube-proxy, CNI plugin and network policies would write, as texts.
//!
//! Invariants: pure; a text replaces what an earlier one wrote, in one transaction for each table, so it can be
//! applied again at any time. The order of evaluation is that of a real node: policies, then kube-proxy, then
//! Flannel.
//! Source: kube-proxy 1.35 (pkg/proxy/iptables, pkg/proxy/nftables), Flannel 0.27 (pkg/trafficmngr), kube-router 2.

mod iptables;
mod nft;

use std::fmt;

use flyover_host::cmd::Cmd;

use crate::address::Family;
use crate::service::{self, Service};
use crate::spec::{LabSpec, RuleForm};

/// Ports that a pod's network policy lets in: those of the services.
const POLICY_PORTS: [u16; 4] = service::PORTS;

/// A text, and the tool that takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// The tool.
    pub program: &'static str,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// What it reads.
    pub input: String,
}

impl RuleText {
    /// The process that applies the text.
    #[must_use]
    pub fn command(&self) -> Cmd {
        Cmd::new(self.program).args(self.args).stdin(self.input.clone())
    }
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))?;
        write!(f, " < {} lines", self.input.lines().count())
    }
}

/// What a text is made for.
struct Scope<'a> {
    spec: &'a LabSpec,
    family: Family,
    node: u8,
    services: &'a [Service],
}

/// The texts of all rules of a node.
#[must_use]
pub fn of_node(spec: &LabSpec, node: u8) -> Vec<RuleText> {
    let services = service::all(spec);
    let scopes = spec.ip.families().iter().map(|&family| Scope { spec, family, node, services: &services });
    match spec.rules {
        RuleForm::None => Vec::new(),
        RuleForm::Nft => vec![nft(scopes.map(|scope| nft::text(&scope)).collect())],
        RuleForm::Iptables | RuleForm::IptablesLegacy => {
            scopes.map(|scope| iptables(spec.rules, scope.family, iptables::text(&scope))).collect()
        }
    }
}

/// The texts that leave a node without rules.
#[must_use]
pub fn none_of_node(spec: &LabSpec) -> Vec<RuleText> {
    let families = spec.ip.families().iter();
    match spec.rules {
        RuleForm::None => Vec::new(),
        RuleForm::Nft => vec![nft(families.map(|&family| nft::nothing(family)).collect())],
        RuleForm::Iptables | RuleForm::IptablesLegacy => {
            families.map(|&family| iptables(spec.rules, family, iptables::nothing())).collect()
        }
    }
}

/// The tools that a lab's rules need, and the Debian package that brings each.
#[must_use]
pub fn tools(spec: &LabSpec) -> Vec<(&'static str, &'static str)> {
    let families = spec.ip.families().iter();
    match spec.rules {
        RuleForm::None => Vec::new(),
        RuleForm::Nft => vec![("nft", "nftables")],
        form => families.map(|&family| (restore(form, family), "iptables")).collect(),
    }
}

fn nft(tables: Vec<String>) -> RuleText {
    RuleText { program: "nft", args: &["-f", "-"], input: tables.concat() }
}

fn iptables(form: RuleForm, family: Family, input: String) -> RuleText {
    // Legacy iptables have one lock for the whole machine, and another lab may hold it.
    RuleText { program: restore(form, family), args: &["-w", "10"], input }
}

fn restore(form: RuleForm, family: Family) -> &'static str {
    match (form, family) {
        (RuleForm::IptablesLegacy, Family::V4) => "iptables-legacy-restore",
        (RuleForm::IptablesLegacy, Family::V6) => "ip6tables-legacy-restore",
        (_, Family::V4) => "iptables-nft-restore",
        (_, Family::V6) => "ip6tables-nft-restore",
    }
}

/// Sixteen characters that stand for a name in the name of a chain, as kube-proxy's hash does.
fn chain_hash(name: &str) -> String {
    // kube-proxy takes SHA-256; a lab needs only that names differ and stay the same, which FNV-1a gives.
    let fnv =
        |seed: u64| name.bytes().fold(seed, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let wide = u128::from(fnv(0xcbf2_9ce4_8422_2325)) << 64 | u128::from(fnv(0x8422_2325_cbf2_9ce4));
    let letter = |n: u32| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(wide >> (n * 8) & 31) as usize]);
    (0..16).map(letter).collect()
}

#[cfg(test)]
mod tests;
