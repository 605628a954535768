//! A rule set as the analysis sees it, whoever it was written for: nf_tables or legacy xtables.
//!
//! Invariant: a condition never claims more than the rule says. What is not understood is
//! [`Condition::Unknown`], which narrows nothing, or a [`Step::Judge`], which keeps Flyover out.

use flyover_core::IfPattern;

use super::prefix::Prefix;

/// All rules of one network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// The generation of the nf_tables part; none where there are no nf_tables.
    pub generation: Option<u32>,
    /// Every table.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What holds it.
    pub origin: Origin,
    /// Whose packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// What holds a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// nf_tables: `nft`, `iptables-nft`.
    Nft,
    /// xtables: `iptables-legacy`.
    Legacy,
}

/// Whose packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// ARP.
    Arp,
    /// Frames that a bridge forwards.
    Bridge,
    /// Frames of one device.
    Netdev,
}

impl Family {
    /// The family of that `NFPROTO_*` number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Inet,
            2 => Self::Ip,
            3 => Self::Arp,
            5 => Self::Netdev,
            7 => Self::Bridge,
            10 => Self::Ip6,
            _ => return None,
        })
    }

    /// The name `nft` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

/// Where in a packet's way a base chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// After routing.
    Postrouting,
    /// Into a device.
    Ingress,
    /// Out of a device.
    Egress,
}

impl Hook {
    /// The hook of that number in that family.
    #[must_use]
    pub fn from_number(family: Family, number: u32) -> Option<Self> {
        Some(match (family, number) {
            (Family::Netdev, 0) | (Family::Inet, 5) => Self::Ingress,
            (Family::Netdev, 1) => Self::Egress,
            (Family::Arp, 0) => Self::Input,
            (Family::Arp, 1) => Self::Output,
            (Family::Arp, 2) => Self::Forward,
            (Family::Netdev | Family::Arp, _) => return None,
            // 5 of a bridge is `broute`, which comes before.
            (_, 0) | (Family::Bridge, 5) => Self::Prerouting,
            (_, 1) => Self::Input,
            (_, 2) => Self::Forward,
            (_, 3) => Self::Output,
            (_, 4) => Self::Postrouting,
            _ => return None,
        })
    }

    /// The name `nft` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where it hangs; none for one that is only jumped to.
    pub base: Option<Base>,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

/// How a base chain hangs on its hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The hook.
    pub hook: Hook,
    /// Lower comes first.
    pub priority: i32,
    /// Whether it is of type `nat`: asked once for each connection, not for each packet.
    pub nat: bool,
    /// The devices, of a chain that hangs on devices.
    pub devices: Vec<String>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its handle in nf_tables; in xtables its place in the chain, from 1.
    pub number: u64,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// Whether it makes the kernel track connections.
    pub conntrack: bool,
}

/// One thing a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Goes on only with packets that fit.
    Require(Condition),
    /// Looks at, counts, copies or changes each packet by itself; the name of what does.
    Judge(String),
    /// Goes elsewhere.
    Verdict(Verdict),
    /// Goes elsewhere by what the packet is; packets that fit none go on.
    Choose(Vec<(Vec<Condition>, Verdict)>),
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has left this hook: accepted, dropped or stolen.
    End,
    /// To another chain and back.
    Jump(String),
    /// To another chain and not back here.
    Goto(String),
    /// Back to where it was jumped from.
    Return,
    /// To the next rule.
    Continue,
}

/// What a packet must be. Lists are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Of this IP version: true for IPv6.
    V6(bool),
    /// From one of these.
    Src(Vec<Prefix>),
    /// To one of these.
    Dst(Vec<Prefix>),
    /// Of one of these IP protocols.
    Proto(Vec<u8>),
    /// From one of these port ranges, ends included.
    Sport(Vec<(u16, u16)>),
    /// To one of these port ranges, ends included.
    Dport(Vec<(u16, u16)>),
    /// Came in by this.
    Iif(IfPattern),
    /// Goes out by this.
    Oif(IfPattern),
    /// In one of these conntrack states, [`states`].
    States(u8),
    /// A packet that always takes the slow way: with SYN, FIN or RST, or a fragment.
    Slow,
    /// Something else.
    Unknown,
}

/// Conntrack states as bits.
pub mod states {
    /// Fits no connection.
    pub const INVALID: u8 = 1;
    /// Of a connection that was seen both ways.
    pub const ESTABLISHED: u8 = 2;
    /// The first of a connection that another one announced.
    pub const RELATED: u8 = 4;
    /// The first, or of a connection seen one way only.
    pub const NEW: u8 = 8;
    /// Exempt from tracking.
    pub const UNTRACKED: u8 = 64;
    /// Any of them.
    pub const ALL: u8 = INVALID | ESTABLISHED | RELATED | NEW | UNTRACKED;
}
