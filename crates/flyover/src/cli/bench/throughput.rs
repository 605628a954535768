//! `flyover bench throughput`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use flyover_latency::session;
use flyover_latency::throughput as bulk;
use serde::Serialize;

use super::super::Output;
use super::link::Link;

/// Without a host it is the server.
///
/// flyover bench throughput                       on one host,
/// flyover bench throughput --streams 4 HOST      on the other
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Throughput {
    /// HOST or HOST:PORT of the server.
    host: Option<String>,
    /// Also be the server, on loopback.
    #[arg(long, conflicts_with = "host")]
    forkboth: bool,
    /// TCP connections.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
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
        if self.host.is_none() && !self.forkboth {
            return self.link.serve();
        }
        let host = self.host.as_deref().unwrap_or_else(|| self.link.loopback());
        let (control, own) = self.link.dial(host, self.forkboth)?;
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
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Json => serde_json::to_writer_pretty(&mut out, &row)?,
            Output::Table => write!(
                out,
                "{:.3} Gbit/s over {} TCP connection(s) in {:.2} s",
                row.bits_per_second / 1e9,
                row.streams,
                row.seconds
            )?,
        }
        Ok(writeln!(out)?)
    }
}
