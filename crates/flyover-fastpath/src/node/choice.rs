//! Which pods somebody wants to be bypassed: by their addresses, since that is what others know of them.
//!
//! Invariant: no I/O. A pod whose addresses are not known yet was not chosen, where pods have to be.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Which pods are bypassed; all, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only pods that have one of these addresses.
    pub only: Option<BTreeSet<IpAddr>>,
    /// No pod that has one of these.
    pub not: BTreeSet<IpAddr>,
}

impl Choice {
    /// Why a pod with these addresses is left alone, if it is.
    pub(crate) fn out_because(&self, addresses: &BTreeSet<IpAddr>) -> Option<String> {
        if !self.not.is_disjoint(addresses) {
            return Some("it opted out".to_owned());
        }
        let chosen = self.only.as_ref().is_none_or(|only| !only.is_disjoint(addresses));
        (!chosen).then(|| "it did not opt in".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_left_alone_that_opted_out_or_did_not_opt_in() {
        let set = |text: &str| -> BTreeSet<IpAddr> {
            text.split_whitespace().map(|a| a.parse().unwrap()).collect()
        };
        let choice = Choice { only: Some(set("10.0.0.1 10.0.0.2")), not: set("10.0.0.2") };
        let why = |pod: &str| choice.out_because(&set(pod));
        assert_eq!(why("10.0.0.1 fd00::1"), None);
        assert_eq!(why("10.0.0.2").as_deref(), Some("it opted out"));
        assert_eq!(why("10.0.0.3").as_deref(), Some("it did not opt in"));
        assert_eq!(why("").as_deref(), Some("it did not opt in"));
        assert_eq!(Choice::default().out_because(&set("10.0.0.3")), None);
    }
}
