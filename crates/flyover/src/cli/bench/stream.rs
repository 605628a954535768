//! `flyover bench stream`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use flyover_latency::list::Numbers;
use flyover_latency::samples::Summary;
use flyover_latency::session;
use flyover_latency::stream::{LEAST_SIZE, Offer, Outcome};
use serde::Serialize;

use super::super::fault::{Exit, Fault};
use super::super::{Output, print};
use super::header;
use super::link::{Link, Server};

/// Without a host it is the server. Values are whole round trips in nanoseconds.
///
/// flyover bench stream                                     on one host,
/// flyover bench stream --rates 10000-100000+10000 HOST     on the other
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Stream {
    #[command(flatten)]
    server: Server,
    /// Messages a second: a list or ranges.
    #[arg(long, default_value = "1000-50000+7000", value_name = "MIN-MAX+STEP")]
    rates: Numbers,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    msgsize: usize,
    /// Time for each rate, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    millisec: u64,
    /// Stop at the first rate that loses so many percent of the messages.
    #[arg(long, default_value_t = 90.0)]
    stop: f64,
    /// Look for answers again and again instead of sleeping.
    #[arg(long)]
    spin: bool,
    /// The percentile that is printed.
    #[arg(long, default_value_t = 99.0)]
    percentile: f64,
    #[command(flatten)]
    link: Link,
}

/// One rate, for programs.
#[derive(Serialize)]
struct Row {
    /// Messages a second that were asked for.
    offered: u32,
    /// Messages a second that went out.
    sent: f64,
    /// Percentage that did not come back.
    lost: f64,
    #[serde(flatten)]
    summary: Summary,
    /// Median of how late messages were sent, in nanoseconds.
    lateness: u64,
}

impl Stream {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if !(LEAST_SIZE..=65_507).contains(&self.msgsize) {
            let what = format!("a message holds {LEAST_SIZE} to 65507 bytes, not {}", self.msgsize);
            return Err(Fault::new(Exit::Usage, what).into());
        }
        let header = header::gather()?;
        let Some((control, own)) = self.link.meet(&self.server)? else { return Ok(()) };
        let rows = self.measure(control, &header)?;
        own.join()?;
        if self.link.output == Output::Json { print::json(&rows) } else { Ok(()) }
    }

    fn measure(&self, control: session::Socket, header: &str) -> anyhow::Result<Vec<Row>> {
        let mut out = std::io::stdout().lock();
        if self.link.output == Output::Table {
            write!(out, "{header}")?;
            writeln!(out, "# percentile={}\n#", self.percentile)?;
            writeln!(out, "#\toffered\tsent\tlost%\tmean\tmin\tmedian\tmax\t%ile\tstddev\titer\tlate")?;
        }
        let duration = Duration::from_millis(self.millisec);
        let (size, spin) = (self.msgsize, self.spin);
        let offers: Vec<Offer> =
            self.rates.as_slice().iter().map(|rate| Offer { rate: *rate, size, duration, spin }).collect();
        let (mut rows, mut written) = (Vec::new(), Ok(()));
        session::stream(control, &self.link.seats(), &offers, &mut |offer, outcome| {
            let row = self.row(offer, outcome);
            if self.link.output == Output::Table && written.is_ok() {
                written = write(&mut out, &row);
            }
            let go_on = row.lost < self.stop && written.is_ok();
            rows.push(row);
            go_on
        })?;
        written?;
        Ok(rows)
    }

    fn row(&self, offer: &Offer, outcome: &Outcome) -> Row {
        Row {
            offered: offer.rate,
            sent: outcome.rate.round(),
            lost: 100.0 * (1.0 - outcome.received as f64 / outcome.sent as f64),
            summary: outcome.samples.summary(self.percentile),
            lateness: outcome.lateness.quantile(0.5),
        }
    }
}

fn write(out: &mut impl Write, row: &Row) -> std::io::Result<()> {
    let Row { offered, sent, lost, summary: s, lateness } = row;
    writeln!(
        out,
        "\t{offered}\t{sent}\t{lost:.2}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{lateness}",
        s.mean, s.min, s.median, s.max, s.percentile, s.stddev, s.iterations
    )?;
    out.flush()
}
