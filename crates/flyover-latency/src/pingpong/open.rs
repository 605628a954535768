//! Opens both ends of a ping-pong in one process, each in its place.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use nix::unistd::pipe;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::end::{End, Link};
use super::options::{PingPong, Proto, Side};
use crate::error::{MeasureError, failed};
use crate::place::{Place, Way};

/// How long one end may take to find the other: neighbour resolution and one lost packet or two.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a greeting may take before it is said again.
const GREETING: Duration = Duration::from_millis(200);

/// Both ends, client first.
pub(super) fn ends(spec: &PingPong, way: &Way) -> Result<(End, End), MeasureError> {
    let (client, server) = match spec.proto {
        Proto::Tcp => tcp(way, &spec.side)?,
        Proto::Udp => udp(way, &spec.side)?,
        Proto::Pipe | Proto::UnixStream | Proto::UnixDatagram => local(spec.proto)?,
    };
    Ok((End::new(client, &spec.side)?, End::new(server, &spec.side)?))
}

/// Both ends of something that never leaves the machine.
pub(crate) fn local(proto: Proto) -> Result<(Link, Link), MeasureError> {
    let opened = |e| failed("open", format!("a {proto}"))(e);
    let stream = proto.is_stream();
    let pair =
        |a: OwnedFd, b: OwnedFd| (Link::Socket { socket: a, stream }, Link::Socket { socket: b, stream });
    match proto {
        Proto::UnixDatagram => UnixDatagram::pair().map(|(a, b)| pair(a.into(), b.into())).map_err(opened),
        Proto::UnixStream => UnixStream::pair().map(|(a, b)| pair(a.into(), b.into())).map_err(opened),
        _ => {
            let (there, back) =
                (pipe().map_err(failed("open", "a pipe"))?, pipe().map_err(failed("open", "a pipe"))?);
            Ok((Link::Pipes { read: back.0, write: there.1 }, Link::Pipes { read: there.0, write: back.1 }))
        }
    }
}

/// A listening TCP socket in its place.
pub(crate) fn listen(place: &Place, address: SocketAddr) -> Result<(Socket, SocketAddr), MeasureError> {
    let bound = place.run(|| -> std::io::Result<_> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let bound = socket.local_addr()?;
        Ok((socket, bound.as_socket().expect("it was bound to an internet address")))
    })?;
    bound.map_err(failed("listen on", address.to_string()))
}

/// A TCP connection from its place.
pub(crate) fn connect(place: &Place, address: SocketAddr) -> Result<Socket, MeasureError> {
    let connected = place.run(|| -> std::io::Result<_> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.connect_timeout(&SockAddr::from(address), PATIENCE)?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    })?;
    connected.map_err(failed("connect to", address.to_string()))
}

fn tcp(way: &Way, side: &Side) -> Result<(Link, Link), MeasureError> {
    let (listener, bound) = listen(&way.server, way.listen)?;
    let client = connect(&way.client, way.dialled(bound))?;
    // The handshake is done, so the connection waits in the queue.
    let (server, _) = listener.accept().map_err(failed("accept on", bound.to_string()))?;
    for socket in [&client, &server] {
        socket.set_tcp_nodelay(side.nodelay).map_err(failed("set TCP_NODELAY of", "a socket"))?;
    }
    let link = |socket: Socket| Link::Socket { socket: socket.into(), stream: true };
    Ok((link(client), link(server)))
}

fn udp(way: &Way, side: &Side) -> Result<(Link, Link), MeasureError> {
    let server = bind_udp(&way.server, way.listen)?;
    let bound = server.local_addr().map_err(failed("look at", "a UDP socket"))?;
    let server_address = way.dialled(bound);
    let client = bind_udp(&way.client, SocketAddr::new(unspecified(server_address), 0))?;
    let client_address = greet(&client, &server, server_address)?;
    let link = |socket: UdpSocket, peer: SocketAddr| {
        if side.connect {
            socket.connect(peer).map_err(failed("connect to", peer.to_string()))?;
            Ok(Link::Socket { socket: socket.into(), stream: false })
        } else {
            Ok(Link::Unconnected { socket: socket.into(), peer })
        }
    };
    Ok((link(client, server_address)?, link(server, client_address)?))
}

fn unspecified(like: SocketAddr) -> std::net::IpAddr {
    if like.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    }
}

fn bind_udp(place: &Place, address: SocketAddr) -> Result<UdpSocket, MeasureError> {
    place.run(|| UdpSocket::bind(address))?.map_err(failed("bind a UDP socket to", address.to_string()))
}

/// The server learns the client's address as its packets show it, which a Service may have translated.
fn greet(client: &UdpSocket, server: &UdpSocket, to: SocketAddr) -> Result<SocketAddr, MeasureError> {
    let broken = |e| failed("exchange greetings with", to.to_string())(e);
    for socket in [client, server] {
        socket.set_read_timeout(Some(GREETING)).map_err(broken)?;
    }
    let mut buffer = [0; 16];
    for _ in 0..PATIENCE.as_millis() / (2 * GREETING.as_millis()) {
        client.send_to(b"hello", to).map_err(broken)?;
        let Ok((_, from)) = server.recv_from(&mut buffer) else { continue };
        server.send_to(b"welcome", from).map_err(broken)?;
        if client.recv_from(&mut buffer).is_ok() {
            [client, server].into_iter().try_for_each(quieten).map_err(broken)?;
            return Ok(from);
        }
    }
    Err(MeasureError::Stalled { what: format!("the greeting of {to}"), after: PATIENCE })
}

/// Drops greetings that were repeated, and lets the socket wait for ever again.
fn quieten(socket: &UdpSocket) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    while socket.recv(&mut [0; 16]).is_ok() {}
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(None)
}
