//! The one message that makes a device.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_route::link::{InfoData, InfoVeth, LinkMessage};
use rtnetlink::{LinkBridge, LinkGeneve, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVxlan};

use super::{Geneve, LinkKind, NewLink, VethPeer, Vxlan};
use crate::netlink::{Netlink, NetlinkError};
use crate::netns::Netns;

/// The message, and what must live until it is sent.
pub(super) struct Making {
    pub(super) message: LinkMessage,
    _peer_netns: Option<Netns>,
}

pub(super) fn of(netlink: &Netlink, link: &NewLink) -> Result<Making, NetlinkError> {
    let master = link.master.as_ref().map(|m| netlink.link_index(m)).transpose()?;
    let name = link.name.as_str();
    let alone = |message| Making { message, _peer_netns: None };
    Ok(match &link.kind {
        LinkKind::Bridge => alone(dressed(LinkBridge::new(name), link, master)),
        LinkKind::Vxlan(vxlan) => {
            let device = netlink.link_index(&vxlan.device)?;
            alone(dressed(vxlan_of(name, vxlan).dev(device), link, master))
        }
        LinkKind::Geneve(geneve) => alone(dressed(geneve_of(name, geneve), link, master)),
        LinkKind::Veth(peer) => {
            let netns = Netns::named(&peer.netns).map_err(NetlinkError::Netns)?;
            let info = InfoData::Veth(InfoVeth::Peer(peer_of(peer, &netns, link.mtu)));
            let veth = LinkVeth::new(name, peer.name.as_str()).set_info_data(info);
            Making { message: dressed(veth, link, master), _peer_netns: Some(netns) }
        }
    })
}

fn dressed<T>(mut builder: LinkMessageBuilder<T>, link: &NewLink, master: Option<u32>) -> LinkMessage {
    if let Some(mac) = link.mac {
        builder = builder.address(mac.0.to_vec());
    }
    if let Some(mtu) = link.mtu {
        builder = builder.mtu(mtu);
    }
    if let Some(master) = master {
        builder = builder.controller(master);
    }
    builder.up().build()
}

fn peer_of(peer: &VethPeer, netns: &Netns, mtu: Option<u32>) -> LinkMessage {
    // Not `up`: the peer is made first, and a veth without its other half cannot be raised (ENOTCONN).
    let mut builder = LinkMessageBuilder::<LinkUnspec>::new()
        .name(peer.name.as_str())
        .setns_by_fd(netns.as_fd().as_raw_fd());
    if let Some(mac) = peer.mac {
        builder = builder.address(mac.0.to_vec());
    }
    if let Some(mtu) = mtu {
        builder = builder.mtu(mtu);
    }
    builder.build()
}

fn vxlan_of(name: &str, vxlan: &Vxlan) -> LinkMessageBuilder<LinkVxlan> {
    let builder = LinkVxlan::new(name, vxlan.vni).port(vxlan.port).learning(false);
    match vxlan.local {
        IpAddr::V4(local) => builder.local(local),
        IpAddr::V6(local) => builder.local6(local),
    }
}

fn geneve_of(name: &str, geneve: &Geneve) -> LinkMessageBuilder<LinkGeneve> {
    // Unless asked, the kernel sends no outer checksum, even over IPv6; OVN asks for it, and so do we.
    let builder = LinkGeneve::new(name, geneve.vni).port(geneve.port).udp_csum(true);
    match geneve.remote {
        IpAddr::V4(remote) => builder.remote(remote),
        IpAddr::V6(remote) => builder.remote6(remote).udp_zero_csum6_rx(false),
    }
}
