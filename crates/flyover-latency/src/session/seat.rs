//! How one end of a remote measurement is attached: processor, addresses, devices, multicast.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use serde::{Deserialize, Serialize};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::error::{MeasureError, failed};
use crate::place::Place;

/// Where one end sits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The processor it runs on.
    pub cpu: Option<usize>,
    /// Time to live or hop limit of what is sent over UDP. `None`: the system's own, and 1 for multicast.
    pub ttl: Option<u32>,
    /// `HOST`, `HOST:PORT` or `[HOST]:PORT` a UDP socket is bound to.
    pub bind: Option<String>,
    /// Device sockets are bound to.
    pub device: Option<String>,
    /// Send to this group instead of to the other end.
    pub mcast: Option<IpAddr>,
    /// Interface of the group.
    pub mcast_interface: Option<String>,
    /// Whether this host's own messages come back.
    pub mcast_loop: bool,
    /// `IPV6_V6ONLY`.
    pub v6only: bool,
}

impl Seat {
    /// The place of this end: the network of the process, on its processor.
    pub(super) fn place(&self) -> Place {
        Place::here().on_cpu(self.cpu)
    }

    /// A UDP socket on the interface of `near`, unless something else was asked for; and where it is reached.
    pub(super) fn udp(&self, near: SocketAddr) -> Result<(UdpSocket, SocketAddr), MeasureError> {
        let socket = open(near, Type::DGRAM, Protocol::UDP)?;
        self.attach(&socket, near).map_err(failed("set options of", "a UDP socket"))?;
        let to = match (&self.bind, self.mcast) {
            (Some(bind), _) => resolve(bind)?,
            (None, Some(group)) => SocketAddr::new(group, 0),
            (None, None) => with_port(near, 0),
        };
        socket.bind(&to.into()).map_err(failed("bind a UDP socket to", to.to_string()))?;
        let bound = socket.local_addr().map_err(failed("look at", "a UDP socket"))?;
        let mut reached = bound.as_socket().unwrap_or(near);
        if reached.ip().is_unspecified() {
            reached.set_ip(near.ip());
        }
        if let Some(group) = self.mcast {
            self.join(&socket, group).map_err(failed("join multicast group", group.to_string()))?;
            reached.set_ip(group);
        }
        Ok((socket.into(), reached))
    }

    /// A listening TCP socket on any port, and where it is reached.
    pub(super) fn listen(&self, near: SocketAddr) -> Result<(Socket, SocketAddr), MeasureError> {
        let socket = open(near, Type::STREAM, Protocol::TCP)?;
        let listening = || -> std::io::Result<SocketAddr> {
            self.bind_to_device(&socket, near)?;
            socket.bind(&with_port(near, 0).into())?;
            socket.listen(1024)?;
            Ok(socket.local_addr()?.as_socket().unwrap_or(near))
        };
        let bound = listening().map_err(failed("listen on", near.ip().to_string()))?;
        Ok((socket, bound))
    }

    fn attach(&self, socket: &Socket, near: SocketAddr) -> std::io::Result<()> {
        self.bind_to_device(socket, near)?;
        if self.bind.is_some() {
            socket.set_reuse_address(true)?;
        }
        let Some(ttl) = self.ttl else { return Ok(()) };
        if near.is_ipv6() {
            socket.set_unicast_hops_v6(ttl.max(1))?;
            socket.set_multicast_hops_v6(ttl)
        } else {
            socket.set_ttl_v4(ttl.max(1))?;
            socket.set_multicast_ttl_v4(ttl)
        }
    }

    fn bind_to_device(&self, socket: &Socket, near: SocketAddr) -> std::io::Result<()> {
        if self.v6only && near.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        self.device.as_ref().map_or(Ok(()), |device| socket.bind_device(Some(device.as_bytes())))
    }

    fn join(&self, socket: &Socket, group: IpAddr) -> std::io::Result<()> {
        let index = self.mcast_interface.as_deref().map(if_nametoindex).transpose()?;
        match group {
            IpAddr::V4(group) => {
                let any = InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED);
                let interface = index.map_or(any, InterfaceIndexOrAddress::Index);
                socket.join_multicast_v4_n(&group, &interface)?;
                socket.set_multicast_loop_v4(self.mcast_loop)?;
                self.mcast_interface.as_ref().map_or(Ok(()), |name| send_to_interface(socket, name))
            }
            IpAddr::V6(group) => {
                socket.join_multicast_v6(&group, index.unwrap_or(0))?;
                socket.set_multicast_loop_v6(self.mcast_loop)?;
                index.map_or(Ok(()), |index| socket.set_multicast_if_v6(index))
            }
        }
    }
}

/// An IPv4 socket knows the interface it sends to by that interface's address.
fn send_to_interface(socket: &Socket, name: &str) -> std::io::Result<()> {
    let of_interface = getifaddrs()?.filter(|i| i.interface_name == name);
    let address = of_interface.filter_map(|i| Some(i.address?.as_sockaddr_in()?.ip())).next();
    let none = std::io::ErrorKind::AddrNotAvailable;
    socket.set_multicast_if_v4(&address.ok_or(none)?)
}

fn open(near: SocketAddr, kind: Type, protocol: Protocol) -> Result<Socket, MeasureError> {
    Socket::new(Domain::for_address(near), kind, Some(protocol)).map_err(failed("open", "a socket"))
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// `HOST`, or `HOST:PORT`; without a port, any.
fn resolve(text: &str) -> Result<SocketAddr, MeasureError> {
    let named = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)).ok();
    let found = named.or_else(|| text.to_socket_addrs().ok()?.next());
    let found = found.or_else(|| (text, 0).to_socket_addrs().ok()?.next());
    let missing = std::io::ErrorKind::AddrNotAvailable;
    found.ok_or_else(|| failed::<std::io::Error>("resolve", text)(missing.into()))
}
