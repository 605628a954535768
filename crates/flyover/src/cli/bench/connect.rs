//! `flyover bench connect`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use flyover_latency::connect as crr;
use flyover_latency::samples::Summary;
use flyover_latency::session;
use serde::Serialize;

use super::super::Output;
use super::link::Link;

/// Connect, request, response, close, again and again. Without a host it is the server.
///
/// flyover bench connect           on one host,
/// flyover bench connect HOST      on the other
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Connect {
    /// HOST or HOST:PORT of the server.
    host: Option<String>,
    /// Also be the server, on loopback.
    #[arg(long, conflicts_with = "host")]
    forkboth: bool,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The percentile that is printed.
    #[arg(long, default_value_t = 99.0)]
    percentile: f64,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    link: Link,
}

#[derive(Serialize)]
struct Row {
    per_second: f64,
    /// Of a transaction up to its response, in nanoseconds.
    #[serde(flatten)]
    latency: Summary,
}

impl Connect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.host.is_none() && !self.forkboth {
            return self.link.serve();
        }
        let host = self.host.as_deref().unwrap_or_else(|| self.link.loopback());
        let (control, own) = self.link.dial(host, self.forkboth)?;
        let duration = Duration::try_from_secs_f64(self.seconds)?;
        let spec = crr::Connect { warmup: Duration::from_millis(200), duration };
        let done = session::connect(control, &self.link.seats(), &spec)?;
        own.join()?;
        let latency = done.samples.summary(self.percentile);
        let row = Row { per_second: done.per_second.round(), latency };
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Json => serde_json::to_writer_pretty(&mut out, &row)?,
            Output::Table => write!(
                out,
                "{} connections/s; latency in ns: median {}, {} % below {}, mean {}, max {}",
                row.per_second,
                latency.median,
                self.percentile,
                latency.percentile,
                latency.mean,
                latency.max
            )?,
        }
        Ok(writeln!(out)?)
    }
}
