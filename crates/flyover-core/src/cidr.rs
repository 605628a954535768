//! An address together with the length of its network's prefix.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IP address and a prefix length, written `10.244.1.1/24`. Host bits may be set: it names an address on a
/// device as well as a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpCidr {
    addr: IpAddr,
    len: u8,
}

/// Why a string is not an address with a prefix length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address with a prefix length (expected e.g. 10.244.1.0/24 or fd00::1/64)")]
pub struct BadIpCidr(String);

impl IpCidr {
    /// The address with the longest prefix of its family: a host of its own.
    #[must_use]
    pub fn host(addr: IpAddr) -> Self {
        Self { addr, len: bits(addr) }
    }

    /// The address with a prefix of that length, if its family has one so long.
    #[must_use]
    pub fn new(addr: IpAddr, len: u8) -> Option<Self> {
        (len <= bits(addr)).then_some(Self { addr, len })
    }

    /// The address.
    #[must_use]
    pub fn addr(self) -> IpAddr {
        self.addr
    }

    /// The length of the prefix.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.len
    }
}

fn bits(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

impl FromStr for IpCidr {
    type Err = BadIpCidr;

    fn from_str(s: &str) -> Result<Self, BadIpCidr> {
        let parse = || {
            let (addr, len) = s.split_once('/')?;
            let digits = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
            Self::new(addr.parse().ok()?, len.parse().ok().filter(|_| digits)?)
        };
        parse().ok_or_else(|| BadIpCidr(s.to_owned()))
    }
}

impl TryFrom<String> for IpCidr {
    type Error = BadIpCidr;

    fn try_from(s: String) -> Result<Self, BadIpCidr> {
        s.parse()
    }
}

impl From<IpCidr> for String {
    fn from(cidr: IpCidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for IpCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_address_survives_printing_and_parsing(addr: IpAddr, len in 0..=32u8) {
            let cidr = IpCidr::new(addr, len).unwrap();
            prop_assert_eq!(cidr.to_string().parse::<IpCidr>().unwrap(), cidr);
        }
    }

    #[test]
    fn a_prefix_longer_than_the_address_is_refused() {
        for bad in ["10.0.0.0/33", "fd00::/129", "10.0.0.0", "10.0.0.0/", "10.0.0.0/+8", "/8", ""] {
            assert!(bad.parse::<IpCidr>().is_err(), "{bad:?}");
        }
    }
}
