//! Why a packet took the slow path: `enum fo_reason`, with the name it has in metrics and a sentence for people.
//!
//! Invariant: append-only, as the enum is.

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Name in metrics and JSON.
    pub name: &'static str,
    /// What it means, as the end of "the packet took the slow path because …".
    pub because: &'static str,
}

macro_rules! reasons {
    ($($name:literal: $because:literal,)*) => {
        /// All reasons, by their number.
        pub const REASONS: &[Reason] = &[$(Reason { name: $name, because: $because }),*];
    };
}

reasons! {
    "fast": "it did not",
    "not_ip": "it is not IP",
    "vlan": "it carries a VLAN tag",
    "multicast": "it goes to a multicast or broadcast address",
    "malformed": "its headers contradict themselves",
    "ip_options": "it carries IP options or IPv6 extension headers",
    "fragment": "it is a fragment",
    "icmp": "it is ICMP",
    "l4_unknown": "its transport is neither TCP nor UDP",
    "tcp_flags": "it begins or ends a TCP connection",
    "ttl": "its TTL or hop limit runs out",
    "mtu": "it is larger than the path's MTU",
    "outer_ce": "its tunnel header carries an ECN mark that the kernel merges into it",
    "tunnel_malformed": "its tunnel headers contradict themselves",
    "tunnel_flags": "its tunnel header carries flags or options that were not seen before",
    "outer_address": "its tunnel's end points are not the flow's",
    "outer_checksum": "nobody vouches for its tunnel's UDP checksum",
    "no_entry": "its flow is not learnt yet",
    "not_open": "its flow was not yet seen in both directions, or conntrack does not call it established",
    "lease": "it was the one that renews its flow's lease",
    "epoch": "something on the node changed, and its flow was not proven again yet",
    "deadman": "the agent does not run",
    "ethernet": "its Ethernet addresses are not the flow's",
    "no_room": "the kernel refused to make or take room for the tunnel header",
    "udp_no_checksum": "it is UDP without a checksum in a tunnel that writes one",
    "ct_none": "conntrack does not track it while it tracks others",
    "ct_state": "conntrack does not call its flow established",
    "ct_helper": "a conntrack helper or flow table handles its flow",
    "ct_window": "conntrack would call its flow invalid, and Flyover may not set nf_conntrack_tcp_be_liberal",
    "judged": "a rule of the node judges its flow packet by packet",
    "changed": "the node changes more of it than addresses, ports and TTL",
    "one_way": "its flow was seen in one direction only",
    "race": "its flow's entry was taken for another flow meanwhile",
    "books_full": "the books have no room for its flow while those beside it are in use",
    "ct_mute": "conntrack tracks flows here, and cannot be asked about them",
}

/// The reason of that number.
#[must_use]
pub fn reason(number: u32) -> Reason {
    let unknown = Reason { name: "unknown", because: "of a reason this version does not know" };
    usize::try_from(number).ok().and_then(|n| REASONS.get(n)).copied().unwrap_or(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_programs_has_its_name_here() {
        let header = include_str!("../bpf/shared.h");
        let list = header.split_once("enum fo_reason {").unwrap().1.split_once("FO_REASONS").unwrap().0;
        let names: Vec<String> = list
            .split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
            .filter_map(|word| word.strip_prefix("FO_"))
            .map(str::to_lowercase)
            .collect();
        assert_eq!(names, REASONS.iter().map(|r| r.name.to_owned()).collect::<Vec<_>>());
    }
}
