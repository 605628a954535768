//! What a ping-pong is made of: transport, sizes, and how each end waits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proto {
    /// A TCP connection.
    Tcp,
    /// UDP datagrams.
    Udp,
    /// Two pipes.
    Pipe,
    /// A connected pair of Unix stream sockets.
    UnixStream,
    /// A connected pair of Unix datagram sockets.
    UnixDatagram,
}

impl Proto {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Pipe, Self::UnixStream, Self::UnixDatagram];

    /// Whether messages may arrive in pieces.
    #[must_use]
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Pipe | Self::UnixStream)
    }

    /// Whether both ends live on one machine.
    #[must_use]
    pub fn is_local(self) -> bool {
        !matches!(self, Self::Tcp | Self::Udp)
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Pipe => "pipe",
            Self::UnixStream => "unix_stream",
            Self::UnixDatagram => "unix_datagram",
        })
    }
}

/// Not the name of a transport.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not one of tcp, udp, pipe, unix_stream, unix_datagram")]
pub struct BadProto(String);

impl FromStr for Proto {
    type Err = BadProto;

    fn from_str(s: &str) -> Result<Self, BadProto> {
        Self::ALL
            .into_iter()
            .find(|proto| proto.to_string().eq_ignore_ascii_case(s))
            .ok_or_else(|| BadProto(s.to_owned()))
    }
}

/// How an end waits for a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Muxer {
    /// In the receive call itself.
    #[default]
    None,
    /// `select`.
    Select,
    /// `poll`.
    Poll,
    /// `epoll_wait`, the descriptor registered once.
    Epoll,
    /// `epoll_wait`, the descriptor armed for every message and disarmed after it.
    EpollMod,
    /// `epoll_wait`, the descriptor added for every message and deleted after it.
    EpollAdddel,
}

impl Muxer {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Select, Self::Poll, Self::Epoll, Self::EpollMod, Self::EpollAdddel];
}

impl fmt::Display for Muxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Select => "select",
            Self::Poll => "poll",
            Self::Epoll => "epoll",
            Self::EpollMod => "epoll_mod",
            Self::EpollAdddel => "epoll_adddel",
        })
    }
}

/// Not the name of a multiplexer.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not one of none, select, poll, epoll, epoll_mod, epoll_adddel")]
pub struct BadMuxer(String);

impl FromStr for Muxer {
    type Err = BadMuxer;

    fn from_str(s: &str) -> Result<Self, BadMuxer> {
        let named = Self::ALL.into_iter().find(|muxer| muxer.to_string().eq_ignore_ascii_case(s));
        match named {
            Some(muxer) => Ok(muxer),
            None if s.is_empty() => Ok(Self::None),
            None => Err(BadMuxer(s.to_owned())),
        }
    }
}

/// Descriptors that only lie beside the one that is used, as a server's other connections do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bystanders {
    /// Pipes.
    pub pipes: u32,
    /// Unix datagram sockets.
    pub unix_datagrams: u32,
    /// Unix stream sockets.
    pub unix_streams: u32,
    /// UDP sockets.
    pub udp: u32,
    /// TCP connections, to the server named for them.
    pub tcp_connections: u32,
    /// Listening TCP sockets.
    pub tcp_listeners: u32,
}

/// How one end behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Try again and again instead of sleeping.
    pub spin: bool,
    /// How to wait.
    pub muxer: Muxer,
    /// `SO_BUSY_POLL` in microseconds; 0 leaves it alone.
    pub busy_poll_us: u32,
    /// `connect` UDP sockets instead of naming the peer with every message.
    pub connect: bool,
    /// `TCP_NODELAY`.
    pub nodelay: bool,
    /// `MSG_MORE` on all messages of a burst but the last.
    pub more: bool,
    /// Give up a receive or send after so long; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// Messages this end sends before it waits.
    pub pings: u32,
    /// Descriptors that lie beside.
    pub bystanders: Bystanders,
    /// Where the TCP bystanders connect to.
    pub bystander_server: Option<String>,
}

/// A pause between two round trips, outside the timed section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Sleep so long.
    pub sleep: Duration,
    /// Then spin so long.
    pub spin: Duration,
}

/// A ping-pong measured in one process, between the ends of a [`Way`](crate::place::Way).
#[derive(Clone, Debug)]
pub struct PingPong {
    /// What carries the messages.
    pub proto: Proto,
    /// Bytes of a message.
    pub size: usize,
    /// How both ends behave.
    pub side: Side,
    /// Played before anything is recorded.
    pub warmup: Duration,
    /// Recorded.
    pub duration: Duration,
    /// At most so many round trips are recorded.
    pub max_iterations: usize,
    /// Between two round trips.
    pub gap: Gap,
}

impl PingPong {
    /// Messages of `size` bytes, back to back, with blocking calls, for a fifth of a second after a warm-up.
    #[must_use]
    pub fn new(proto: Proto, size: usize) -> Self {
        Self {
            proto,
            size,
            // Nagel's algorithm does not hold back a lone message, so a ping-pong does not need TCP_NODELAY; what
            // is larger than a segment does.
            side: Side { nodelay: true, pings: 1, ..Side::default() },
            warmup: Duration::from_millis(50),
            duration: Duration::from_millis(200),
            max_iterations: 200_000,
            gap: Gap::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_and_muxer_survives_printing_and_parsing() {
        Proto::ALL.iter().for_each(|p| assert_eq!(p.to_string().parse::<Proto>().unwrap(), *p));
        Muxer::ALL.iter().for_each(|m| assert_eq!(m.to_string().parse::<Muxer>().unwrap(), *m));
    }

    #[test]
    fn names_are_taken_in_any_case_and_an_empty_muxer_is_none() {
        assert_eq!("UDP".parse::<Proto>().unwrap(), Proto::Udp);
        assert_eq!("".parse::<Muxer>().unwrap(), Muxer::None);
        assert_eq!(
            "kqueue".parse::<Muxer>().unwrap_err().to_string(),
            "`kqueue` is not one of none, select, poll, epoll, epoll_mod, epoll_adddel"
        );
    }
}
