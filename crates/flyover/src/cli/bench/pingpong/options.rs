//! The options of sfnt-pingpong, with its names and defaults.
//!
//! One default differs: sfnt-pingpong sends UDP with a time to live of 1 unless told otherwise, so nothing arrives
//! at a pod on another node. Here unicast keeps the system's.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use flyover_latency::list::Numbers;
use flyover_latency::pingpong::{Bystanders, Gap, Muxer, Proto, Side};
use flyover_latency::session::{Limits, Rules, Seat};

use super::super::both::{Both, Flag, Who};
use super::super::link::Link;

/// What is measured and when it is enough.
#[derive(Debug, Args)]
#[command(next_help_heading = "Measurement")]
pub(super) struct Measurement {
    /// Message sizes: a list or ranges, e.g. `1,64,100-500+100,1-1024x2`.
    #[arg(long)]
    pub(super) sizes: Option<Numbers>,
    /// Least size if there is no list [default: 1, for datagrams 0].
    #[arg(long)]
    pub(super) minmsg: Option<u32>,
    /// Greatest size if there is no list [default: 65536, for datagrams 32768].
    #[arg(long)]
    pub(super) maxmsg: Option<u32>,
    /// Least time for a size, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    minms: u64,
    /// Most time for a size, in milliseconds.
    #[arg(long, default_value_t = 3000)]
    maxms: u64,
    /// Least number of round trips for a size.
    #[arg(long, default_value_t = 1000)]
    miniter: usize,
    /// Most round trips for a size.
    #[arg(long, default_value_t = 1_000_000)]
    maxiter: usize,
    /// Least number of round trips to warm up.
    #[arg(long, default_value_t = 10_000)]
    pub(super) warmupiter: usize,
    /// Least time to warm up, in milliseconds.
    #[arg(long, default_value_t = 500)]
    warmupms: u64,
    /// Report whole round trips instead of halves.
    #[arg(long)]
    rtt: bool,
    /// Write each sample to PREFIX-SIZE.dat.
    #[arg(long, value_name = "PREFIX")]
    pub(super) raw: Option<String>,
    /// The percentile that is printed.
    #[arg(long, default_value_t = 99.0)]
    pub(super) percentile: f64,
    /// Sleep so many microseconds between round trips.
    #[arg(long, default_value_t = 0)]
    sleep_gap: u64,
    /// Spin so many microseconds between round trips.
    #[arg(long, default_value_t = 0)]
    spin_gap: u64,
}

/// How each end sends and waits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ends (one value for both, or CLIENT;SERVER)")]
pub(super) struct Ends {
    /// Receive again and again instead of sleeping.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "1")]
    spin: Both<Flag>,
    /// How to wait: none, select, poll, epoll, epoll_mod, epoll_adddel.
    #[arg(long, default_value = "none")]
    muxer: Both<Muxer>,
    /// connect() UDP sockets.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "1")]
    connect: Both<Flag>,
    /// TCP_NODELAY.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "1")]
    nodelay: Both<Flag>,
    /// MSG_MORE on all messages of a burst but the last.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "1")]
    more: Both<Flag>,
    /// SO_BUSY_POLL in microseconds.
    #[arg(long, default_value = "0")]
    busy_poll: Both<u32>,
    /// Give up a send or receive after so many seconds; 0 never does.
    #[arg(long, default_value = "0")]
    timeout: Both<u64>,
    /// Messages the client sends, and the server receives, before the answer.
    #[arg(long, default_value = "1")]
    n_pings: Both<u32>,
    /// Messages of the answer.
    #[arg(long, default_value_t = 1)]
    n_pongs: u32,
    /// Pipes beside the descriptor that is used.
    #[arg(long, default_value = "0")]
    n_pipe: Both<u32>,
    /// Unix datagram sockets beside it.
    #[arg(long, default_value = "0")]
    n_unix_d: Both<u32>,
    /// Unix stream sockets beside it.
    #[arg(long, default_value = "0")]
    n_unix_s: Both<u32>,
    /// UDP sockets beside it.
    #[arg(long, default_value = "0")]
    n_udp: Both<u32>,
    /// TCP connections beside it.
    #[arg(long, default_value = "0")]
    n_tcpc: Both<u32>,
    /// TCP listeners beside it.
    #[arg(long, default_value = "0")]
    n_tcpl: Both<u32>,
    /// Where the TCP connections beside it go.
    #[arg(long, value_name = "HOST:PORT")]
    tcpc_serv: Option<String>,
}

/// Addresses and devices.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network (one value for both, or CLIENT;SERVER)")]
pub(super) struct Network {
    /// Address or HOST:PORT to bind UDP sockets to.
    #[arg(long)]
    bind: Option<Both<String>>,
    /// Device to bind sockets to.
    #[arg(long)]
    bindtodev: Option<Both<String>>,
    /// Time to live of UDP messages [default: the system's; 1 for multicast].
    #[arg(long)]
    ttl: Option<Both<u32>>,
    /// Multicast group.
    #[arg(long)]
    mcast: Option<IpAddr>,
    /// Multicast interface.
    #[arg(long)]
    mcastintf: Option<Both<String>>,
    /// Hear this host's own multicast messages.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "1")]
    mcastloop: Both<Flag>,
    /// IPV6_V6ONLY.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "1")]
    v6only: Both<Flag>,
}

impl Measurement {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            min_time: Duration::from_millis(self.minms),
            max_time: Duration::from_millis(self.maxms.max(self.minms)),
            min_iterations: self.miniter,
            max_iterations: self.maxiter.max(self.miniter),
        }
    }

    pub(super) fn warmup(&self) -> Duration {
        Duration::from_millis(self.warmupms)
    }

    /// The list that was given, or sfnt-pingpong's.
    pub(super) fn sizes(&self, proto: Proto) -> Vec<u32> {
        if let Some(sizes) = &self.sizes {
            return sizes.as_slice().to_vec();
        }
        let (least, greatest) = if proto.is_stream() { (1, 64 * 1024) } else { (0, 32 * 1024) };
        // 0 means the default to sfnt-pingpong.
        let given = |size: Option<u32>, default| size.filter(|s| *s > 0).unwrap_or(default);
        let (least, greatest) = (given(self.minmsg, least), given(self.maxmsg, greatest));
        std::iter::successors(Some(least), |size| Some(after(proto, *size)))
            .take_while(|size| *size <= greatest)
            .collect()
    }
}

/// Powers of two; datagrams also at and just above what an Ethernet frame holds.
fn after(proto: Proto, size: u32) -> u32 {
    match size {
        1024 if !proto.is_stream() => 1472,
        1472 if !proto.is_stream() => 1473,
        0 => 1,
        _ if proto.is_stream() => size.saturating_mul(2),
        _ => (size + 1).next_power_of_two(),
    }
}

/// Everything but the sizes, as the engine takes it.
pub(super) fn rules(
    proto: Proto,
    link: &Link,
    (measurement, ends, network): (&Measurement, &Ends, &Network),
    alone: bool,
) -> Rules {
    let spinning = ends.spin.client.0 && alone;
    let [client, server] = link.cores(spinning);
    let micros = Duration::from_micros;
    Rules {
        proto,
        sides: [side(ends, Who::Client), side(ends, Who::Server)],
        seats: [network.seat(client, Who::Client), network.seat(server, Who::Server)],
        pongs: ends.n_pongs.max(1),
        gap: Gap { sleep: micros(measurement.sleep_gap), spin: micros(measurement.spin_gap) },
        rtt: measurement.rtt,
    }
}

fn side(ends: &Ends, who: Who) -> Side {
    let bystanders = Bystanders {
        pipes: ends.n_pipe.of(who),
        unix_datagrams: ends.n_unix_d.of(who),
        unix_streams: ends.n_unix_s.of(who),
        udp: ends.n_udp.of(who),
        tcp_connections: ends.n_tcpc.of(who),
        tcp_listeners: ends.n_tcpl.of(who),
    };
    let timeout = ends.timeout.of(who);
    Side {
        spin: ends.spin.of(who).0,
        muxer: ends.muxer.of(who),
        busy_poll_us: ends.busy_poll.of(who),
        connect: ends.connect.of(who).0,
        nodelay: ends.nodelay.of(who).0,
        more: ends.more.of(who).0,
        timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
        pings: ends.n_pings.of(who).max(1),
        bystanders,
        bystander_server: ends.tcpc_serv.clone(),
    }
}

impl Network {
    fn seat(&self, cpu: Option<usize>, who: Who) -> Seat {
        Seat {
            cpu,
            ttl: self.ttl.as_ref().map(|both| both.of(who)),
            bind: self.bind.as_ref().map(|both| both.of(who)).filter(|s| !s.is_empty()),
            device: self.bindtodev.as_ref().map(|both| both.of(who)).filter(|s| !s.is_empty()),
            mcast: self.mcast,
            mcast_interface: self.mcastintf.as_ref().map(|both| both.of(who)).filter(|s| !s.is_empty()),
            mcast_loop: self.mcastloop.of(who).0,
            v6only: self.v6only.of(who).0,
        }
    }

    /// Whether an interface was named without a group: then there is one by default.
    pub(super) fn wants_group(&self) -> bool {
        self.mcast.is_none() && self.mcastintf.is_some()
    }

    /// Whether messages go to a group.
    pub(super) fn is_multicast(&self) -> bool {
        self.mcast.is_some() || self.mcastintf.is_some()
    }
}
