//! A flow: the five values that name a conversation, in the direction it is written.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Transport protocols whose flows can be bypassed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// TCP, protocol 6.
    Tcp,
    /// UDP, protocol 17.
    Udp,
}

impl Proto {
    /// The number in the IP header.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The protocol of that number, if it is one we know.
    #[must_use]
    pub fn from_number(n: u8) -> Option<Self> {
        match n {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One direction of a conversation, written `tcp:10.244.1.2:4000-10.244.2.2:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    /// Transport protocol.
    pub proto: Proto,
    /// Sender.
    pub src: SocketAddr,
    /// Receiver.
    pub dst: SocketAddr,
}

/// Why a string is not a flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a flow (expected e.g. tcp:10.244.1.2:4000-10.244.2.2:80, IPv6 in brackets)")]
pub struct BadFlow(String);

impl Flow {
    /// The same conversation seen from the other end.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { proto: self.proto, src: self.dst, dst: self.src }
    }

    /// Whether either end has this address.
    #[must_use]
    pub fn touches(&self, ip: IpAddr) -> bool {
        self.src.ip() == ip || self.dst.ip() == ip
    }
}

impl FromStr for Flow {
    type Err = BadFlow;

    fn from_str(s: &str) -> Result<Self, BadFlow> {
        let parse = || {
            let (proto, ends) = s.split_once(':')?;
            let (src, dst) = ends.split_once('-')?;
            let proto = match proto {
                "tcp" => Proto::Tcp,
                "udp" => Proto::Udp,
                _ => return None,
            };
            let (src, dst): (SocketAddr, SocketAddr) = (src.parse().ok()?, dst.parse().ok()?);
            (src.is_ipv4() == dst.is_ipv4()).then_some(Self { proto, src, dst })
        };
        parse().ok_or_else(|| BadFlow(s.to_owned()))
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.proto, self.src, self.dst)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_flow_survives_printing_and_parsing(v6: bool, a: u128, b: u128, p: u16, q: u16, tcp: bool) {
            let ip = |x: u128| if v6 { IpAddr::from(x.to_be_bytes()) } else { IpAddr::from([x.to_be_bytes()[0], x.to_be_bytes()[1], x.to_be_bytes()[2], x.to_be_bytes()[3]]) };
            let flow = Flow { proto: if tcp { Proto::Tcp } else { Proto::Udp }, src: SocketAddr::new(ip(a), p), dst: SocketAddr::new(ip(b), q) };
            prop_assert_eq!(flow.to_string().parse::<Flow>().unwrap(), flow);
            prop_assert_eq!(flow.reversed().reversed(), flow);
        }
    }

    #[test]
    fn a_flow_between_families_is_refused() {
        assert!("tcp:10.0.0.1:1-[::1]:2".parse::<Flow>().is_err());
        assert!("icmp:10.0.0.1:1-10.0.0.2:2".parse::<Flow>().is_err());
    }
}
