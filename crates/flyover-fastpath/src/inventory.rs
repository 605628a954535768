//! The devices of a node's network namespace, as far as FastPath cares.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    InfoData, InfoGeneve, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute};
use netlink_packet_route::route::{RouteAttribute, RouteMetric};
use rtnetlink::RouteMessageBuilder;

use flyover_core::IfName;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub ifindex: u32,
    /// Its name.
    pub name: IfName,
    /// What it is, as far as it matters here.
    pub kind: Kind,
    /// Largest packet.
    pub mtu: u32,
    /// The bridge or bond it belongs to.
    pub master: Option<u32>,
    /// Whether its other end is in another namespace, and that namespace's number here.
    pub peer_netns: Option<i32>,
    /// Number of its other end, in that end's namespace.
    pub peer: Option<u32>,
    /// Whether it is up.
    pub up: bool,
    /// A tunnel's own address.
    pub local: Option<IpAddr>,
    /// A tunnel's one peer, if it has but one.
    pub remote: Option<IpAddr>,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One end of a veth pair.
    Veth,
    /// A tunnel device.
    Tunnel(Tunnel),
    /// A bridge.
    Bridge,
    /// Anything else.
    Other,
}

/// A tunnel device's protocol, number and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Whether it is Geneve (else VXLAN).
    pub geneve: bool,
    /// Network number.
    pub vni: u32,
    /// UDP port.
    pub port: u16,
}

/// Reads all devices of the current namespace.
pub(crate) async fn devices(handle: &rtnetlink::Handle) -> Result<Vec<Device>, rtnetlink::Error> {
    handle.link().get().execute().try_filter_map(|m| async move { Ok(device(&m)) }).try_collect().await
}

fn device(message: &LinkMessage) -> Option<Device> {
    let mut out = Device {
        ifindex: message.header.index,
        name: message.attributes.iter().find_map(|a| match a {
            LinkAttribute::IfName(name) => name.parse().ok(),
            _ => None,
        })?,
        kind: Kind::Other,
        mtu: 0,
        master: None,
        peer_netns: None,
        peer: None,
        local: None,
        remote: None,
        up: message.header.flags.contains(LinkFlags::Up),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => out.mtu = *mtu,
            LinkAttribute::Controller(master) => out.master = Some(*master),
            LinkAttribute::LinkNetNsId(id) => out.peer_netns = Some(*id),
            LinkAttribute::Link(peer) => out.peer = Some(*peer),
            LinkAttribute::LinkInfo(infos) => {
                out.kind = kind(infos);
                (out.local, out.remote) = ends(infos);
            }
            _ => {}
        }
    }
    Some(out)
}

fn kind(infos: &[LinkInfo]) -> Kind {
    let named = infos.iter().find_map(|i| if let LinkInfo::Kind(k) = i { Some(k) } else { None });
    match named {
        Some(InfoKind::Veth) => Kind::Veth,
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::Vxlan | InfoKind::Geneve) => {
            infos.iter().find_map(tunnel).map_or(Kind::Other, Kind::Tunnel)
        }
        _ => Kind::Other,
    }
}

fn tunnel(info: &LinkInfo) -> Option<Tunnel> {
    let (mut vni, mut port) = (None, None);
    let geneve = match info {
        LinkInfo::Data(InfoData::Vxlan(data)) => {
            for item in data {
                match item {
                    InfoVxlan::Id(id) => vni = Some(*id),
                    InfoVxlan::Port(p) => port = Some(*p),
                    _ => {}
                }
            }
            false
        }
        LinkInfo::Data(InfoData::Geneve(data)) => {
            for item in data {
                match item {
                    InfoGeneve::Id(id) => vni = Some(*id),
                    InfoGeneve::Port(p) => port = Some(*p),
                    _ => {}
                }
            }
            true
        }
        _ => return None,
    };
    Some(Tunnel { geneve, vni: vni?, port: port? })
}

/// A tunnel's own address, and that of its one peer. A group is nobody's address.
fn ends(infos: &[LinkInfo]) -> (Option<IpAddr>, Option<IpAddr>) {
    let (mut local, mut remote) = (None, None);
    for info in infos {
        match info {
            LinkInfo::Data(InfoData::Vxlan(data)) => {
                for item in data {
                    match item {
                        InfoVxlan::Local(ip) => local = Some(IpAddr::V4(*ip)),
                        InfoVxlan::Local6(ip) => local = Some(IpAddr::V6(*ip)),
                        InfoVxlan::Group(ip) if !ip.is_multicast() => remote = Some(IpAddr::V4(*ip)),
                        InfoVxlan::Group6(ip) if !ip.is_multicast() => remote = Some(IpAddr::V6(*ip)),
                        _ => {}
                    }
                }
            }
            LinkInfo::Data(InfoData::Geneve(data)) => {
                for item in data {
                    match item {
                        InfoGeneve::Remote(ip) => remote = Some(IpAddr::V4(*ip)),
                        InfoGeneve::Remote6(ip) => remote = Some(IpAddr::V6(*ip)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (local, remote)
}

/// The MTUs that routes have of their own, with the devices they lead to.
pub(crate) async fn route_mtus(
    handle: &rtnetlink::Handle,
) -> Result<Vec<(Option<u32>, u32)>, rtnetlink::Error> {
    let mut found = Vec::new();
    for any in
        [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()]
    {
        let routes: Vec<_> = handle.route().get(any).execute().try_collect().await?;
        for route in routes {
            let device = route.attributes.iter().find_map(|a| match a {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            });
            let metrics = route.attributes.iter().filter_map(|a| match a {
                RouteAttribute::Metrics(metrics) => Some(metrics),
                _ => None,
            });
            found.extend(metrics.flatten().filter_map(|m| match m {
                RouteMetric::Mtu(mtu) => Some((device, *mtu)),
                _ => None,
            }));
        }
    }
    Ok(found)
}

/// The peers that tunnels' forwarding entries name, with the tunnel's number.
pub(crate) async fn forwarding(handle: &rtnetlink::Handle) -> Result<Vec<(u32, IpAddr)>, rtnetlink::Error> {
    let mut request = handle.neighbours().get();
    request.message_mut().header.family = AddressFamily::Bridge;
    let entries = request.execute().try_filter_map(|entry| async move {
        let remote = entry.attributes.iter().find_map(|a| match a {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
            // The family of the message is the bridge's: the address comes undecoded.
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => address(bytes),
            _ => None,
        });
        Ok(remote.map(|ip| (entry.header.ifindex, ip)))
    });
    entries.try_collect().await
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
