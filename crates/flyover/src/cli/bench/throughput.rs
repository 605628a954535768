//! `flyover bench throughput`.

use std::time::Duration;

use clap::Args;
use flyover_latency::session;
use flyover_latency::throughput as bulk;
use serde::Serialize;

use super::link::{Link, Server};

/// Without a host it is the server.
///
/// flyover bench throughput                       on one host,
/// flyover bench throughput --streams 4 HOST      on the other
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Throughput {
    #[command(flatten)]
    server: Server,
    /// TCP connections.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[command(flatten)]
    link: Link,
}

#[derive(Serialize)]
struct Row {
    streams: usize,
    bytes: u64,
    seconds: f64,
    bits_per_second: f64,
}

impl Throughput {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Some((control, own)) = self.link.meet(&self.server)? else { return Ok(()) };
        let duration = Duration::try_from_secs_f64(self.seconds)?;
        let warmup = Duration::from_millis(300);
        let spec = bulk::Throughput { streams: self.streams, warmup, duration };
        let carried = session::throughput(control, &self.link.seats(), &spec)?;
        own.join()?;
        let row = Row {
            streams: self.streams,
            bytes: carried.bytes,
            seconds: carried.elapsed.as_secs_f64(),
            bits_per_second: carried.bits_per_second().round(),
        };
        let gigabits = row.bits_per_second / 1e9;
        let sentence =
            format!("{gigabits:.3} Gbit/s over {} TCP connection(s) in {:.2} s", row.streams, row.seconds);
        self.link.print(&row, &sentence)
    }
}
