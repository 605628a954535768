//! Extensions of xtables, the same for `iptables-legacy` and for `iptables-nft`.
//!
//! Invariant: an extension this does not know judges each packet.

mod info;

use super::model::{Condition, Step, Verdict};

/// Matches that give all packets of an established flow the same answer.
const SAME_FOR_A_FLOW: &[&str] = &[
    "addrtype",
    "ah",
    "bpfilter",
    "cgroup",
    "cluster",
    "comment",
    "connlabel",
    "dccp",
    "devgroup",
    "dst",
    "esp",
    "eui64",
    "frag",
    "hbh",
    "helper",
    "iprange",
    "ipv6header",
    "ipvs",
    "l2tp",
    "mac",
    "mark",
    "mh",
    "osf",
    "owner",
    "physdev",
    "pkttype",
    "policy",
    "realm",
    "rpfilter",
    "rt",
    "sctp",
    "set",
    "socket",
    "srh",
    "tcpmss",
    "time",
];

/// Targets that do nothing to one packet of an established flow that they do not do to all.
const HARMLESS: &[&str] = &[
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "HMARK",
    "MARK",
    "NOTRACK",
    "SECMARK",
    "TCPMSS",
    "DNAT",
    "MASQUERADE",
    "NETMAP",
    "REDIRECT",
    "SNAT",
];

/// Extensions that make the kernel track connections.
const TRACKING: &[&str] = &[
    "connbytes",
    "connlabel",
    "connlimit",
    "connmark",
    "conntrack",
    "helper",
    "state",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DNAT",
    "MASQUERADE",
    "NETMAP",
    "REDIRECT",
    "SNAT",
    "SYNPROXY",
];

/// What an extension means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) steps: Vec<Step>,
    pub(super) conntrack: bool,
}

/// A match of that name and revision.
pub(super) fn matches(name: &str, revision: u32, data: &[u8]) -> Meaning {
    let unknown = || vec![Condition::Unknown];
    let conditions = match name {
        "comment" => Vec::new(),
        "tcp" => info::tcp(data).unwrap_or_else(unknown),
        "udp" | "udplite" => info::udp(data).unwrap_or_else(unknown),
        "icmp" => vec![Condition::Proto(vec![1]), Condition::Unknown],
        "icmp6" => vec![Condition::Proto(vec![58]), Condition::Unknown],
        "multiport" => info::multiport(data).unwrap_or_else(unknown),
        "state" => info::state(data).unwrap_or_else(unknown),
        "conntrack" => match info::conntrack(revision, data) {
            Some(info::Conntrack::Judges) => return judge("conntrack expiration", true),
            Some(info::Conntrack::Conditions(conditions)) => conditions,
            None => unknown(),
        },
        "connmark" => unknown(),
        "set" if info::asks_counters(revision, data) => return judge("set counters", false),
        same if SAME_FOR_A_FLOW.contains(&same) => unknown(),
        other => return judge(other, TRACKING.contains(&other)),
    };
    let steps = conditions.into_iter().map(Step::Require).collect();
    Meaning { steps, conntrack: TRACKING.contains(&name) }
}

/// A target of that name; verdicts are not targets.
pub(super) fn target(name: &str, _data: &[u8]) -> Meaning {
    let conntrack = TRACKING.contains(&name);
    match name {
        "" => Meaning::default(),
        "REJECT" => Meaning { steps: vec![Step::Verdict(Verdict::End)], conntrack },
        harmless if HARMLESS.contains(&harmless) => Meaning { steps: Vec::new(), conntrack },
        other => judge(other, conntrack),
    }
}

fn judge(what: &str, conntrack: bool) -> Meaning {
    Meaning { steps: vec![Step::Judge(what.to_owned())], conntrack }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_data_of_any_match_is_understood_without_panic(name in "tcp|udp|multiport|state|conntrack", revision in 0_u32..5, data: Vec<u8>) {
            let _meaning = matches(&name, revision, &data);
        }
    }

    #[test]
    fn a_match_on_a_set_judges_only_if_it_asks_for_its_counters() {
        let mut data = [0; 48];
        assert_eq!(matches("set", 4, &data).steps, [Step::Require(Condition::Unknown)]);
        data[32] = 1;
        assert_eq!(matches("set", 4, &data).steps, [Step::Judge("set counters".to_owned())]);
    }

    #[test]
    fn what_nobody_knows_is_a_judge() {
        assert_eq!(matches("layer7", 0, &[]).steps, [Step::Judge("layer7".to_owned())]);
        assert_eq!(target("ACCOUNT", &[]).steps, [Step::Judge("ACCOUNT".to_owned())]);
    }
}
