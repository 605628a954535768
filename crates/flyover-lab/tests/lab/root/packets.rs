//! The means to see whether something arrives: echo requests, and small TCP and UDP conversations.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use flyover_net::netns::Netns;
use socket2::{Domain, Protocol, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(2);
/// Nothing in a lab takes this long to answer.
const SILENCE: Duration = Duration::from_millis(300);

/// Whether an echo request is answered.
pub(super) fn ping(from: &Netns, to: IpAddr) -> bool {
    let id = std::process::id().to_be_bytes();
    let (domain, protocol, kind) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128),
    };
    let socket = from.run(|| Socket::new(domain, Type::RAW, Some(protocol))).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = [kind, 0, 0, 0, id[2], id[3], 0, 1, b'f', b'l', b'y', b'!'];
    if to.is_ipv4() {
        let sum = checksum(&request);
        request[2..4].copy_from_slice(&sum);
    }
    socket.send_to(&request, &SocketAddr::new(to, 0).into()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut answer = [0; 128];
        let Ok(len) = (&socket).read(&mut answer) else { return false };
        // A raw IPv4 socket shows the IP header too.
        let icmp = if to.is_ipv4() { &answer[20..len] } else { &answer[..len] };
        if icmp[0] == if to.is_ipv4() { 0 } else { 129 } && icmp[4..] == request[4..] {
            return true;
        }
    }
    false
}

/// The address that a server on `at` sees when a client connects to `to`, if it can.
pub(super) fn tcp(client: &Netns, to: SocketAddr, server: &Netns, at: SocketAddr) -> Option<IpAddr> {
    let listener = server.run(|| TcpListener::bind(at)).unwrap().unwrap();
    let mut stream = client.run(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap().ok()?;
    let (mut accepted, from) = listener.accept().unwrap();
    stream.write_all(b"ask").unwrap();
    let mut heard = [0; 3];
    accepted.read_exact(&mut heard).unwrap();
    accepted.write_all(&heard).unwrap();
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ask");
    Some(from.ip())
}

/// The address that a server on `at` sees when a client sends to `to`, if that arrives and the answer too.
pub(super) fn udp(client: &Netns, to: SocketAddr, server: &Netns, at: SocketAddr) -> Option<IpAddr> {
    let listener = server.run(|| UdpSocket::bind(at)).unwrap().unwrap();
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = client.run(|| UdpSocket::bind((any, 0))).unwrap().unwrap();
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(to).unwrap();
    socket.send(b"ask").unwrap();
    let mut heard = [0; 16];
    let (len, from) = listener.recv_from(&mut heard).ok()?;
    listener.send_to(&heard[..len], from).unwrap();
    let len = socket.recv(&mut heard).ok()?;
    assert_eq!(&heard[..len], b"ask");
    Some(from.ip())
}

/// Whether a port nobody listens on is not even refused: what was sent to it was dropped on the way.
pub(super) fn dropped(client: &Netns, to: SocketAddr) -> bool {
    let connected = client.run(|| TcpStream::connect_timeout(&to, SILENCE)).unwrap();
    let tcp = connected.unwrap_err().kind() == ErrorKind::TimedOut;
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = client.run(|| UdpSocket::bind((any, 0))).unwrap().unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket.connect(to).unwrap();
    socket.send(b"ask").unwrap();
    let udp = socket.recv(&mut [0]).unwrap_err().kind() == ErrorKind::WouldBlock;
    assert_eq!(tcp, udp, "{to}");
    tcp
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()).to_be_bytes()
}
