//! Address prefixes, as rules match them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits. Bits beyond the length are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    addr: IpAddr,
    len: u8,
}

impl Prefix {
    /// The prefix of that many bits of the address; as many as there are at most.
    #[must_use]
    pub fn new(addr: IpAddr, len: u8) -> Self {
        match addr {
            IpAddr::V4(v4) => {
                let len = len.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                Self { addr: Ipv4Addr::from_bits(v4.to_bits() & mask).into(), len }
            }
            IpAddr::V6(v6) => {
                let len = len.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                Self { addr: Ipv6Addr::from_bits(v6.to_bits() & mask).into(), len }
            }
        }
    }

    /// The longest prefix that holds both addresses, if they are of one family.
    #[must_use]
    pub fn around(first: IpAddr, last: IpAddr) -> Option<Self> {
        let len = match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return None,
        };
        Some(Self::new(first, u8::try_from(len).unwrap_or(0)))
    }

    /// Address bytes under a mask; the mask's bits after its first zero are dropped, which only widens.
    #[must_use]
    pub fn masked(addr: &[u8], mask: &[u8]) -> Option<Self> {
        let ip = address(addr)?;
        let ones: u32 = mask
            .iter()
            .map(|byte| byte.leading_ones())
            .scan(true, |go, ones| {
                let counted = go.then_some(ones);
                *go &= ones == 8;
                counted
            })
            .sum();
        Some(Self::new(ip, u8::try_from(ones).unwrap_or(u8::MAX)))
    }

    /// Its first address.
    #[must_use]
    pub fn addr(self) -> IpAddr {
        self.addr
    }

    /// How many bits its addresses share.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a prefix holds addresses, it is never empty")]
    pub fn len(self) -> u8 {
        self.len
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(self, ip: IpAddr) -> bool {
        Self::new(ip, self.len) == self
    }

    /// What is in both: the longer one, if the shorter one holds it.
    #[must_use]
    pub fn and(self, other: Self) -> Option<Self> {
        let (long, short) = if self.len >= other.len { (self, other) } else { (other, self) };
        short.contains(long.addr).then_some(long)
    }

    /// The longest prefix that holds both, if they are of one family.
    #[must_use]
    pub fn or(self, other: Self) -> Option<Self> {
        let around = Self::around(self.addr, other.addr)?;
        Some(Self::new(self.addr, around.len.min(self.len).min(other.len)))
    }

    /// Whether it is of IPv6.
    #[must_use]
    pub fn is_v6(self) -> bool {
        self.addr.is_ipv6()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

/// Four or sixteen bytes as an address.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_around_two_addresses_holds_both(a: [u8; 4], b: [u8; 4]) {
            let around = Prefix::around(a.into(), b.into()).unwrap();
            prop_assert!(around.contains(a.into()) && around.contains(b.into()));
        }

        #[test]
        fn an_address_is_in_both_exactly_if_it_is_in_their_meet(a: [u8; 4], b: [u8; 4], x: [u8; 4], m in 0_u8..=32, n in 0_u8..=32) {
            let (p, q) = (Prefix::new(a.into(), m), Prefix::new(b.into(), n));
            let both = p.contains(x.into()) && q.contains(x.into());
            prop_assert_eq!(both, p.and(q).is_some_and(|r| r.contains(x.into())));
        }

        #[test]
        fn what_a_mask_lets_through_is_in_its_prefix(addr: [u8; 4], mask: [u8; 4], x: [u8; 4]) {
            let fits = addr.iter().zip(mask).zip(x).all(|((a, m), x)| a & m == x & m);
            let prefix = Prefix::masked(&addr, &mask).unwrap();
            prop_assert!(!fits || prefix.contains(x.into()));
        }
    }

    #[test]
    fn families_never_meet() {
        let all = |ip: &str| Prefix::new(ip.parse().unwrap(), 0);
        assert_eq!(all("0.0.0.0").and(all("::")), None);
        assert!(!all("0.0.0.0").contains("::1".parse().unwrap()));
    }
}
