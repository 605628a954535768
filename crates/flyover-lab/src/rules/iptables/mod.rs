//! The rules in the form of `iptables-restore`, the same text for both back ends.

mod filter;
mod nat;

use super::Scope;

const EMPTY: &str = "\
*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
:POSTROUTING ACCEPT [0:0]\nCOMMIT\n\
*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n\
*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n";

/// A table being written: chains are declared before rules, whatever the order they come in.
#[derive(Default)]
struct Table {
    chains: Vec<String>,
    rules: Vec<String>,
}

impl Table {
    fn chain(&mut self, name: impl Into<String>) {
        self.chains.push(format!(":{} - [0:0]", name.into()));
    }

    fn rule(&mut self, rule: impl Into<String>) {
        self.rules.push(format!("-A {}", rule.into()));
    }

    fn text(&self, name: &str, built_in: &[&str]) -> String {
        let policies = built_in.iter().map(|chain| format!(":{chain} ACCEPT [0:0]"));
        let head = std::iter::once(format!("*{name}")).chain(policies);
        let lines = head.chain(self.chains.iter().cloned()).chain(self.rules.iter().cloned());
        lines.chain(["COMMIT".to_owned()]).map(|line| line + "\n").collect()
    }
}

pub(super) fn text(scope: &Scope<'_>) -> String {
    let mut mangle = Table::default();
    mangle.chain("KUBE-IPTABLES-HINT");
    mangle.chain("KUBE-PROXY-CANARY");
    [
        mangle.text("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
        filter::table(scope).text("filter", &["INPUT", "FORWARD", "OUTPUT"]),
        nat::table(scope).text("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ]
    .concat()
}

pub(super) fn nothing() -> String {
    EMPTY.to_owned()
}
