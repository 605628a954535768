//! Routes through a gateway, set by netlink.

use std::fmt;
use std::net::IpAddr;

use flyover_core::{IfName, IpCidr};
use rtnetlink::RouteMessageBuilder;

use crate::netlink::{Netlink, NetlinkError};

/// A route of the main table through a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination; a prefix of length 0 makes it the default route.
    pub to: IpCidr,
    /// Gateway.
    pub via: IpAddr,
    /// Device.
    pub device: IfName,
    /// Whether the gateway is taken to be on the device's link though no address there says so.
    pub onlink: bool,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, via, device, onlink } = self;
        write!(f, "{to} via {via} dev {device}{}", if *onlink { " onlink" } else { "" })
    }
}

impl Netlink {
    /// Adds a route.
    pub fn add_route(&self, route: &Route) -> Result<(), NetlinkError> {
        let what = format!("add the route {route}");
        let mixed = |_| NetlinkError::Refused {
            what: what.clone(),
            source: std::io::Error::other("its addresses are of two families"),
        };
        let mut message = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(route.to.addr(), route.to.prefix_len())
            .and_then(|m| m.gateway(route.via))
            .map_err(mixed)?
            .output_interface(self.link_index(&route.device)?);
        if route.onlink {
            message = message.onlink();
        }
        self.ask(&what, self.handle().route().add(message.build()).execute())
    }
}
