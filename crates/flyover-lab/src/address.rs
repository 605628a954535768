//! Who has which address: the one place that knows.
//!
//! Invariants: pure; a number is written with the same digits in both families (`10.244.1.11` is
//! `fd00:10:244:1::11`), so that a person who knows one address knows all.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flyover_core::{IpCidr, MacAddr};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The length of a host's prefix.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A node's address on the wire: `10.89.0.I`, `fd00:89::I`.
#[must_use]
pub fn node(family: Family, i: u8) -> IpAddr {
    of(family, [10, 89, 0, i], [0xfd00, 0x89, 0, 0, 0, 0, 0, digits(i)])
}

/// A node's address with the length of the wire's prefix.
pub(crate) fn node_cidr(family: Family, i: u8) -> IpCidr {
    cidr(node(family, i), 24, 64)
}

/// The network of a node's pods: `10.244.I.0/24`, `fd00:10:244:I::/64`.
#[must_use]
pub fn pod_network(family: Family, i: u8) -> IpCidr {
    cidr(pod_host(family, i, 0), 24, 64)
}

/// The network of all pods.
#[must_use]
pub fn cluster_network(family: Family) -> IpCidr {
    cidr(pod_host(family, 0, 0), 16, 48)
}

/// The address of a node's bridge: its pods' gateway.
pub(crate) fn gateway(family: Family, i: u8) -> IpCidr {
    cidr(pod_host(family, i, 1), 24, 64)
}

/// The address of a node's tunnel device: the first of its pods' network, as Flannel takes it.
pub(crate) fn vtep(family: Family, i: u8) -> IpAddr {
    pod_host(family, i, 0)
}

/// A pod's address: `10.244.I.(10+J)`, `fd00:10:244:I::(10+J)`.
#[must_use]
pub fn pod(family: Family, i: u8, j: u8) -> IpAddr {
    pod_host(family, i, 10 + j)
}

/// A pod's address with the length of its network's prefix.
pub(crate) fn pod_cidr(family: Family, i: u8, j: u8) -> IpCidr {
    cidr(pod(family, i, j), 24, 64)
}

/// Everything: the destination of a default route.
pub(crate) fn anywhere(family: Family) -> IpCidr {
    cidr(of(family, [0; 4], [0; 8]), 0, 0)
}

/// The network of the services' addresses.
pub(crate) fn service_network(family: Family) -> IpCidr {
    cidr(service(family, 0, 0), 12, 96)
}

/// The address of the service that pod alone stands behind; pod 0 of node 0 stands for the service of two pods.
pub(crate) fn service(family: Family, i: u8, host: u8) -> IpAddr {
    of(family, [10, 96, i, host], [0xfd00, 0x10, 0x96, 0, 0, 0, digits(i), digits(host)])
}

/// The address of a service nobody uses.
pub(crate) fn dummy_service(family: Family, n: u16) -> IpAddr {
    let (high, low) = split(n);
    of(family, [10, 97, high, low], [0xfd00, 0x10, 0x96, 0, 0, 0, 0xd, digits(n)])
}

/// The address of a pod that is not there, behind a service nobody uses.
pub(crate) fn dummy_backend(family: Family, n: u16, k: u8) -> IpAddr {
    let (high, low) = split(n);
    of(family, [10, 245 + k, high, low], [0xfd00, 0x10, 0x245, u16::from(k), 0, 0, 0, digits(n)])
}

/// The Ethernet address of a node on the wire.
#[must_use]
pub fn uplink_mac(i: u8) -> MacAddr {
    MacAddr([0x02, 0x89, 0, 0, 0, i])
}

/// The Ethernet address of a node's bridge, made of its IPv4 address as the bridge CNI plugin makes it.
#[must_use]
pub fn bridge_mac(i: u8) -> MacAddr {
    MacAddr([0x0a, 0x58, 10, 244, i, 1])
}

/// The Ethernet address of a pod.
#[must_use]
pub fn pod_mac(i: u8, j: u8) -> MacAddr {
    MacAddr([0x0a, 0x58, 10, 244, i, 10 + j])
}

/// The Ethernet address of the node's end of a pod's pair.
pub(crate) fn host_veth_mac(i: u8, j: u8) -> MacAddr {
    MacAddr([0x02, 0x58, 10, 244, i, 10 + j])
}

/// The Ethernet address of a node's tunnel devices of that outer family.
#[must_use]
pub fn vtep_mac(family: Family, i: u8) -> MacAddr {
    let six = if family == Family::V6 { 6 } else { 4 };
    MacAddr([0x02, 0x76, 0x74, six, 0, i])
}

fn pod_host(family: Family, i: u8, host: u8) -> IpAddr {
    of(family, [10, 244, i, host], [0xfd00, 0x10, 0x244, digits(i), 0, 0, 0, digits(host)])
}

fn of(family: Family, four: [u8; 4], six: [u16; 8]) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(four).into(),
        Family::V6 => Ipv6Addr::from(six).into(),
    }
}

fn cidr(addr: IpAddr, four: u8, six: u8) -> IpCidr {
    IpCidr::new(addr, if addr.is_ipv4() { four } else { six }).expect("the lengths are of their families")
}

/// The number whose hexadecimal digits are the decimal digits of `n`.
fn digits(n: impl Into<u16>) -> u16 {
    let n = n.into();
    debug_assert!(n <= 9_999, "one group of an IPv6 address has four digits");
    n.to_string().bytes().fold(0, |group, digit| (group << 4) | u16::from(digit - b'0'))
}

/// Two bytes of an address, of which the last is that of a host.
fn split(n: u16) -> (u8, u8) {
    let (high, low) = (n / 250, n % 250 + 1);
    (u8::try_from(high).expect("9,999 / 250 is 39"), u8::try_from(low).expect("below 251"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_written_with_the_same_digits() {
        assert_eq!(pod(Family::V4, 12, 3).to_string(), "10.244.12.13");
        assert_eq!(pod(Family::V6, 12, 3).to_string(), "fd00:10:244:12::13");
        assert_eq!(node(Family::V6, 250).to_string(), "fd00:89::250");
        assert_eq!(dummy_service(Family::V6, 1_234).to_string(), "fd00:10:96::d:1234");
    }

    #[test]
    fn the_last_of_everything_still_has_an_address_of_its_own() {
        assert_eq!(pod(Family::V4, 250, 240).to_string(), "10.244.250.250");
        assert_eq!(dummy_service(Family::V4, 9_999).to_string(), "10.97.39.250");
        assert_eq!(service_network(Family::V4).to_string(), "10.96.0.0/12");
    }
}
