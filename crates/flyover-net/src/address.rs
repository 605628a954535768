//! Addresses of devices.

use std::net::IpAddr;

use flyover_core::{IfName, IpCidr};
use futures::TryStreamExt;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};

use crate::netlink::{Netlink, NetlinkError};

impl Netlink {
    /// Gives a device an address. An IPv6 address is usable at once: nobody asks first whether it is taken.
    pub fn add_address(&self, device: &IfName, cidr: IpCidr) -> Result<(), NetlinkError> {
        let index = self.link_index(device)?;
        let mut request = self.handle().address().add(index, cidr.addr(), cidr.prefix_len());
        if cidr.addr().is_ipv6() {
            request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        self.ask(format_args!("give {cidr} to `{device}`"), request.execute())
    }

    /// All addresses of the namespace: index of the device, and address.
    pub fn addresses(&self) -> Result<Vec<(u32, IpCidr)>, NetlinkError> {
        let dump = self.handle().address().get().execute();
        let found = self.ask("list the addresses", async { dump.try_collect::<Vec<_>>().await })?;
        Ok(found.iter().filter_map(|m| Some((m.header.index, read(m)?))).collect())
    }
}

/// `IFA_LOCAL` is the device's own address where there is one; `IFA_ADDRESS` may be the other end's.
fn read(message: &AddressMessage) -> Option<IpCidr> {
    let mut own: Option<IpAddr> = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(addr) => own = Some(*addr),
            AddressAttribute::Address(addr) => own = own.or(Some(*addr)),
            _ => {}
        }
    }
    IpCidr::new(own?, message.header.prefix_len)
}
