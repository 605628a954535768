//! `flyover bench connect`.

use std::time::Duration;

use clap::Args;
use flyover_latency::connect as crr;
use flyover_latency::samples::Summary;
use flyover_latency::session;
use serde::Serialize;

use super::link::{Link, Server};

/// Connect, request, response, close, again and again. Without a host it is the server.
///
/// flyover bench connect           on one host,
/// flyover bench connect HOST      on the other
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Connect {
    #[command(flatten)]
    server: Server,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The percentile that is printed.
    #[arg(long, default_value_t = 99.0)]
    percentile: f64,
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
        let Some((control, own)) = self.link.meet(&self.server)? else { return Ok(()) };
        let duration = Duration::try_from_secs_f64(self.seconds)?;
        let spec = crr::Connect { warmup: Duration::from_millis(200), duration };
        let done = session::connect(control, &self.link.seats(), &spec)?;
        own.join()?;
        let latency = done.samples.summary(self.percentile);
        let row = Row { per_second: done.per_second.round(), latency };
        let sentence = format!(
            "{} connections/s; latency in ns: median {}, {} % below {}, mean {}, max {}",
            row.per_second, latency.median, self.percentile, latency.percentile, latency.mean, latency.max
        );
        self.link.print(&row, &sentence)
    }
}
