//! Permanent neighbours, and the forwarding entries of tunnel devices.

use std::net::IpAddr;

use flyover_core::{IfName, MacAddr};
use netlink_packet_route::neighbour::{NeighbourFlags, NeighbourState};

use crate::netlink::{Netlink, NetlinkError};

impl Netlink {
    /// Says for good which Ethernet address an IP address has on a device.
    pub fn add_neighbour(&self, device: &IfName, ip: IpAddr, mac: MacAddr) -> Result<(), NetlinkError> {
        let index = self.link_index(device)?;
        let request = self
            .handle()
            .neighbours()
            .add(index, ip)
            .state(NeighbourState::Permanent)
            .link_layer_address(&mac.0)
            .replace();
        self.ask(format_args!("add the neighbour {ip} at {mac} on `{device}`"), request.execute())
    }

    /// Says for good behind which tunnel end point an Ethernet address lives.
    pub fn add_fdb(&self, device: &IfName, mac: MacAddr, remote: IpAddr) -> Result<(), NetlinkError> {
        let index = self.link_index(device)?;
        let request = self
            .handle()
            .neighbours()
            .add_bridge(index, &mac.0)
            .destination(remote)
            .state(NeighbourState::Permanent)
            .flags(NeighbourFlags::Own)
            .replace();
        self.ask(format_args!("forward {mac} to {remote} on `{device}`"), request.execute())
    }
}
