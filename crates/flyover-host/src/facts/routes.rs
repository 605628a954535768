//! The kernel's tables of routes, in the forms of /proc/net/route and /proc/net/ipv6_route.
//!
//! Of a route with several next hops /proc/net/route shows the first only; tables other than the main one are not
//! shown at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `RTF_UP`.
const UP: u32 = 0x1;
/// `RTF_REJECT`: a route that leads nowhere.
const REJECT: u32 = 0x200;

/// One route through a network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The lowest address it is for.
    pub(crate) to: IpAddr,
    /// How many bits of that count.
    pub(crate) prefix: u32,
    /// The lower one wins.
    pub(crate) metric: u32,
    /// The network device it leaves through.
    pub(crate) device: String,
}

impl Route {
    /// Whether it is the way to everywhere.
    pub(crate) fn is_default(&self) -> bool {
        self.prefix == 0
    }

    fn covers(&self, to: IpAddr) -> bool {
        match (self.to, to) {
            (IpAddr::V4(net), IpAddr::V4(to)) => {
                self.prefix == 0 || (net.to_bits() ^ to.to_bits()) >> (32 - self.prefix) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(to)) => {
                self.prefix == 0 || (net.to_bits() ^ to.to_bits()) >> (128 - self.prefix) == 0
            }
            _ => false,
        }
    }
}

/// The network devices through which an address is reached: by the longest prefix, then by the lowest metric. There
/// are several where two routes are equal.
pub(crate) fn ways_to(routes: &[Route], to: IpAddr) -> Vec<&Route> {
    let covering: Vec<&Route> = routes.iter().filter(|route| route.covers(to)).collect();
    let rank = |route: &Route| (std::cmp::Reverse(route.prefix), route.metric);
    let best = covering.iter().map(|route| rank(route)).min();
    covering.into_iter().filter(|route| Some(rank(route)) == best).collect()
}

/// Reads /proc/net/route: addresses in the byte order of the host, which is little endian on all we run on.
pub(crate) fn parse_v4(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[device, to, _, flags, _, _, metric, mask, ..] = fields.as_slice() else { return None };
        let address = |field| Some(Ipv4Addr::from_bits(u32::from_str_radix(field, 16).ok()?.swap_bytes()));
        let through = passes(u32::from_str_radix(flags, 16).ok()?);
        let prefix = address(mask)?.to_bits().leading_ones();
        through.then_some(Route {
            to: address(to)?.into(),
            prefix,
            metric: metric.parse().ok()?,
            device: device.to_owned(),
        })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// Reads /proc/net/ipv6_route, which has no head and holds the host's own addresses too.
pub(crate) fn parse_v6(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[to, prefix, _, _, _, metric, _, _, flags, device] = fields.as_slice() else { return None };
        let to = Ipv6Addr::from_bits(u128::from_str_radix(to, 16).ok()?);
        let prefix = u32::from_str_radix(prefix, 16).ok().filter(|prefix| *prefix <= 128)?;
        let through = passes(u32::from_str_radix(flags, 16).ok()?) && device != "lo";
        let metric = u32::from_str_radix(metric, 16).ok()?;
        through.then(|| Route { to: to.into(), prefix, metric, device: device.to_owned() })
    };
    table.lines().filter_map(route).collect()
}

fn passes(flags: u32) -> bool {
    flags & UP != 0 && flags & REJECT == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        bond0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        ens2\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        *\t0000FEA9\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    fn way(routes: &[Route], to: &str) -> Vec<String> {
        ways_to(routes, to.parse().unwrap()).into_iter().map(|route| route.device.clone()).collect()
    }

    proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in any::<String>(), rows in "([a-z0-9F]{1,33}[ \t]{1,2}){8,12}\n") {
            for table in [format!("head\n{text}"), text, format!("head\n{rows}"), rows] {
                let routes = [parse_v4(&table), parse_v6(&table)].concat();
                ways_to(&routes, "10.0.0.1".parse().unwrap());
                ways_to(&routes, "fd00::1".parse().unwrap());
            }
        }
    }

    #[test]
    fn the_longest_prefix_wins_then_the_lowest_metric() {
        let routes = parse_v4(V4);
        assert_eq!(way(&routes, "10.0.0.9"), ["ens2"]);
        assert_eq!(way(&routes, "10.0.1.9"), ["bond0"]);
        assert_eq!(way(&routes, "fd00::1"), Vec::<String>::new());
        assert_eq!(routes.iter().filter(|route| route.is_default()).count(), 2);
    }

    #[test]
    fn a_route_of_ipv6_that_rejects_or_is_local_is_no_way() {
        let zero = "0".repeat(32);
        let routes = parse_v6(&format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 ens1\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n\
             fd000000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 ens2\n"
        ));
        assert_eq!(way(&routes, "2001:db8::1"), ["ens1"]);
        assert_eq!(way(&routes, "fd00::7"), ["ens2"]);
        assert_eq!(routes.len(), 2);
    }
}
