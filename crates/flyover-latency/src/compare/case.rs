//! The names of what is compared: `tcp-64`, `udp-1k-clusterip`, `bulk-tcp-2cpu`, …

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::pingpong::Proto;

/// A path that traffic can take. The order is that of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathName {
    /// Pod to pod as the network plugin leaves it.
    Overlay,
    /// The same with connection tracking of the tunnel's outer flow turned off.
    Notrack,
    /// The same with Flyover's bypass.
    Fastpath,
    /// Node to node with the node's rules loaded: what a pod on the host's network gets.
    Wire,
    /// Node to node without rules.
    Bare,
}

impl PathName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Overlay, Self::Notrack, Self::Fastpath, Self::Wire, Self::Bare];
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlay => "overlay",
            Self::Notrack => "notrack",
            Self::Fastpath => "fastpath",
            Self::Wire => "wire",
            Self::Bare => "bare",
        })
    }
}

/// What is done over a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Half round trips of TCP messages of this size.
    Tcp(u32),
    /// Half round trips of UDP messages of this size.
    Udp(u32),
    /// As many bytes as go over one TCP connection.
    Bulk,
    /// Connect, request, response, close.
    Crr,
    /// Processor time of a UDP message of 64 bytes, paced so that the processor also idles.
    CpuPerPacket,
}

impl Probe {
    /// Transport and size, if the probe is a ping-pong.
    #[must_use]
    pub fn messages(self) -> Option<(Proto, u32)> {
        match self {
            Self::Tcp(size) => Some((Proto::Tcp, size)),
            Self::Udp(size) => Some((Proto::Udp, size)),
            Self::Bulk | Self::Crr | Self::CpuPerPacket => None,
        }
    }

    /// What its numbers are.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Tcp(_) | Self::Udp(_) | Self::CpuPerPacket => Unit::Nanoseconds,
            Self::Bulk => Unit::BitsPerSecond,
            Self::Crr => Unit::PerSecond,
        }
    }
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Time: less is better.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// A rate: more is better.
    #[serde(rename = "bit/s")]
    BitsPerSecond,
    /// A rate: more is better.
    #[serde(rename = "1/s")]
    PerSecond,
}

impl Unit {
    /// Whether more is better.
    #[must_use]
    pub fn is_rate(self) -> bool {
        self != Self::Nanoseconds
    }
}

/// Between which ends, and under which address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ends {
    /// Two nodes, IPv4, by the server's own address.
    #[default]
    Remote,
    /// Two nodes, IPv4, by the address of a Service.
    ClusterIp,
    /// Two nodes, IPv6.
    V6,
    /// Two pods of one node; as wire and bare, two namespaces joined by one veth pair.
    SameNode,
}

impl Ends {
    const ALL: [Self; 4] = [Self::Remote, Self::ClusterIp, Self::V6, Self::SameNode];

    fn suffix(self) -> &'static str {
        match self {
            Self::Remote => "",
            Self::ClusterIp => "-clusterip",
            Self::V6 => "-v6",
            Self::SameNode => "-samenode",
        }
    }
}

/// One line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// What is done.
    pub probe: Probe,
    /// Between whom.
    pub ends: Ends,
    /// Client and server on a processor each, instead of both on one.
    pub two_cpus: bool,
}

impl Case {
    /// Between two nodes, on one processor.
    #[must_use]
    pub fn new(probe: Probe) -> Self {
        Self { probe, ends: Ends::Remote, two_cpus: false }
    }

    /// What issue and documents call the whole comparison.
    #[must_use]
    pub fn full() -> Vec<Self> {
        let names = "tcp-64 udp-64 tcp-1k udp-1k tcp-8k udp-8k tcp-64-clusterip udp-64-clusterip tcp-64-v6 \
                     udp-64-v6 tcp-64-samenode udp-64-samenode bulk-tcp crr cpu-per-packet \
                     tcp-64-2cpu udp-64-2cpu bulk-tcp-2cpu";
        names.split_whitespace().map(|name| name.parse().expect("these are names of cases")).collect()
    }

    /// What can be told in a minute.
    #[must_use]
    pub fn quick() -> Vec<Self> {
        let names = "tcp-64 udp-64 tcp-1k tcp-64-clusterip tcp-64-samenode bulk-tcp crr";
        names.split_whitespace().map(|name| name.parse().expect("these are names of cases")).collect()
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.messages(), self) {
            (Some((proto, size)), _) if size >= 1024 && size % 1024 == 0 => {
                write!(f, "{proto}-{}k", size / 1024)
            }
            (Some((proto, size)), _) => write!(f, "{proto}-{size}"),
            (None, Self::Bulk) => f.write_str("bulk-tcp"),
            (None, Self::Crr) => f.write_str("crr"),
            (None, _) => f.write_str("cpu-per-packet"),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpus = if self.two_cpus { "-2cpu" } else { "" };
        write!(f, "{}{}{cpus}", self.probe, self.ends.suffix())
    }
}

/// Not the name of a case.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a case (expected e.g. tcp-64, udp-8k-v6, tcp-64-clusterip, bulk-tcp, crr-2cpu)")]
pub struct BadCase(String);

impl FromStr for Case {
    type Err = BadCase;

    fn from_str(s: &str) -> Result<Self, BadCase> {
        let (rest, two_cpus) = s.strip_suffix("-2cpu").map_or((s, false), |rest| (rest, true));
        let named = Ends::ALL.into_iter().skip(1).find_map(|e| Some((rest.strip_suffix(e.suffix())?, e)));
        let (probe, ends) = named.unwrap_or((rest, Ends::Remote));
        let probe = parse_probe(probe).ok_or_else(|| BadCase(s.to_owned()))?;
        Ok(Self { probe, ends, two_cpus })
    }
}

fn parse_probe(s: &str) -> Option<Probe> {
    match s {
        "bulk-tcp" => return Some(Probe::Bulk),
        "crr" => return Some(Probe::Crr),
        "cpu-per-packet" => return Some(Probe::CpuPerPacket),
        _ => {}
    }
    let (proto, size) = s.split_once('-')?;
    let (number, unit) = size.strip_suffix('k').map_or((size, 1), |number| (number, 1024));
    // The largest datagram over IPv4.
    let size = number.parse::<u32>().ok()?.checked_mul(unit).filter(|size| (1..=65_507).contains(size))?;
    match proto {
        "tcp" => Some(Probe::Tcp(size)),
        "udp" => Some(Probe::Udp(size)),
        _ => None,
    }
}

impl Serialize for Case {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Case {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_case() -> impl Strategy<Value = Case> {
        let probe = prop_oneof![
            (1_u32..=65_507).prop_map(Probe::Tcp),
            (1_u32..=65_507).prop_map(Probe::Udp),
            Just(Probe::Bulk),
            Just(Probe::Crr),
            Just(Probe::CpuPerPacket),
        ];
        (probe, proptest::sample::select(&Ends::ALL[..]), any::<bool>())
            .prop_map(|(probe, ends, two_cpus)| Case { probe, ends, two_cpus })
    }

    proptest! {
        #[test]
        fn every_case_survives_printing_and_parsing(case in any_case()) {
            prop_assert_eq!(case.to_string().parse::<Case>().unwrap(), case);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _parsed = text.parse::<Case>();
        }
    }

    #[test]
    fn sizes_are_written_as_people_say_them() {
        let case: Case = "udp-8192-v6-2cpu".parse().unwrap();
        assert_eq!(case.to_string(), "udp-8k-v6-2cpu");
        assert_eq!(Case::new(Probe::Tcp(1000)).to_string(), "tcp-1000");
    }

    #[test]
    fn a_size_no_datagram_can_have_is_refused() {
        for bad in ["udp-64k", "tcp-0", "tcp", "sctp-64", "tcp-64-v5", "udp-4294967295k", ""] {
            assert!(bad.parse::<Case>().is_err(), "{bad}");
        }
    }
}
