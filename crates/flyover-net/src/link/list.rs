//! The devices there are.

use flyover_core::{IfName, MacAddr};
use futures::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use serde::Serialize;

use crate::netlink::{Netlink, NetlinkError};

/// A device as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Index in its namespace.
    pub index: u32,
    /// Name.
    pub name: IfName,
    /// Kind, e.g. `veth`; empty for a device that has none.
    pub kind: String,
    /// Ethernet address, if it has one.
    pub mac: Option<MacAddr>,
    /// MTU.
    pub mtu: u32,
    /// Whether it was raised and can carry packets.
    pub up: bool,
    /// Index of the bridge it is a port of.
    pub master: Option<u32>,
    /// The remark that is kept with it.
    pub alias: Option<String>,
}

impl Netlink {
    /// All devices of the namespace, by index.
    pub fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let dump = self.handle().link().get().execute();
        let mut links = self.ask("list the network devices", async { dump.try_collect::<Vec<_>>().await })?;
        links.sort_by_key(|link| link.header.index);
        Ok(links.into_iter().filter_map(read).collect())
    }
}

fn read(message: LinkMessage) -> Option<Link> {
    let mut link = Link {
        index: message.header.index,
        name: "?".parse().ok()?,
        kind: String::new(),
        mac: None,
        mtu: 0,
        up: false,
        master: None,
        alias: None,
    };
    let mut named = false;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => {
                link.name = name.parse().ok()?;
                named = true;
            }
            LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok().map(MacAddr),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.master = Some(index).filter(|i| *i != 0),
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::LinkInfo(infos) => link.kind = kind_of(&infos),
            _ => {}
        }
    }
    // The operational state would be told late: the kernel's link watch has up to a second for it.
    link.up = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
    named.then_some(link)
}

fn kind_of(infos: &[LinkInfo]) -> String {
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    });
    kind.unwrap_or_default()
}
