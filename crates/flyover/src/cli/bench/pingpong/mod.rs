//! `flyover bench pingpong`: sfnt-pingpong's options, header and columns.

mod options;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use flyover_latency::pingpong::Proto;
use flyover_latency::samples::{Samples, Summary};
use flyover_latency::session::{Game, Rules};
use options::{Ends, Measurement, Network};
use serde::Serialize;

use super::super::fault::{Exit, Fault};
use super::super::{Output, print};
use super::header;
use super::link::{Link, Own};

/// A switch that snoops takes a while to learn who joined a group.
const JOINING: Duration = Duration::from_secs(2);

/// Without arguments it is the server; options are the client's, which tells the server. Values are half round trips
/// in nanoseconds.
///
/// flyover bench pingpong                             on one host,
/// flyover bench pingpong --sizes=64 udp HOST         on the other
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PingPong {
    /// tcp, udp, pipe, unix_stream or unix_datagram.
    proto: Option<Proto>,
    /// HOST or HOST:PORT of the server; without one, tcp and udp are played on loopback.
    host: Option<String>,
    /// Also be the server, in this process.
    #[arg(long)]
    forkboth: bool,
    #[command(flatten)]
    link: Link,
    #[command(flatten)]
    measurement: Measurement,
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    network: Network,
}

/// One size, for programs.
#[derive(Serialize)]
struct Row {
    size: u32,
    #[serde(flatten)]
    summary: Summary,
}

impl PingPong {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Some(proto) = self.proto else { return self.link.serve() };
        self.check(proto)?;
        let header = header::gather()?;
        let (mut game, own) = self.begin(proto)?;
        if proto == Proto::Udp && self.network.is_multicast() {
            std::thread::sleep(JOINING);
        }
        let mut out = std::io::stdout().lock();
        if self.link.output == Output::Table {
            write!(out, "{header}")?;
            if let Some(preload) = &game.server_ld_preload {
                writeln!(out, "# server LD_PRELOAD={preload}")?;
            }
            writeln!(out, "# percentile={}", self.measurement.percentile)?;
            writeln!(out, "#\n#\tsize\tmean\tmin\tmedian\tmax\t%ile\tstddev\titer")?;
        }
        let rows = self.measure(proto, &mut game, &mut out)?;
        game.finish()?;
        own.join()?;
        if self.link.output == Output::Json { print::json(&rows) } else { Ok(()) }
    }

    fn check(&self, proto: Proto) -> anyhow::Result<()> {
        let usage = |what: &str| Err(Fault::new(Exit::Usage, what).into());
        if proto.is_local() && self.host.is_some() {
            return usage(&format!("a {proto} does not lead to another host"));
        }
        if !(0.0..=100.0).contains(&self.measurement.percentile) {
            return usage("a percentile lies between 0 and 100");
        }
        let greatest = self.measurement.sizes(proto).into_iter().max().unwrap_or(0);
        if proto == Proto::Udp && greatest > 65_507 {
            return usage(&format!("a UDP message of {greatest} bytes does not exist (at most 65507)"));
        }
        if proto.is_stream() && self.measurement.sizes(proto).contains(&0) {
            return usage(&format!("a message of 0 bytes cannot be seen in a {proto} stream"));
        }
        Ok(())
    }

    fn begin(&self, proto: Proto) -> anyhow::Result<(Game, Own)> {
        let alone = self.host.is_none();
        let rules = |mcast: Option<IpAddr>| {
            let parts = (&self.measurement, &self.ends, &self.network);
            let mut rules: Rules = options::rules(proto, &self.link, parts, alone);
            for seat in &mut rules.seats {
                seat.mcast = seat.mcast.or(mcast);
            }
            rules
        };
        if proto.is_local() {
            return Ok((Game::local(rules(None))?, Own::none()));
        }
        let host = self.host.as_deref().unwrap_or_else(|| self.link.loopback());
        let (control, own) = self.link.dial(host, alone || self.forkboth)?;
        let v6 = control.local_addr()?.is_ipv6();
        let group: Option<IpAddr> = self.network.wants_group().then(|| {
            if v6 {
                std::net::Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x142).into()
            } else {
                [224, 1, 2, 48].into()
            }
        });
        Ok((Game::join(control, rules(group))?, own))
    }

    fn measure(&self, proto: Proto, game: &mut Game, out: &mut impl Write) -> anyhow::Result<Vec<Row>> {
        game.warm_up(self.measurement.warmup(), self.measurement.warmupiter)?;
        let mut rows = Vec::new();
        for size in self.measurement.sizes(proto) {
            let samples = Samples::new(game.measure(size as usize, self.measurement.limits())?);
            if let Some(prefix) = &self.measurement.raw {
                write_raw(&format!("{prefix}-{size}.dat"), &samples)?;
            }
            let summary = samples.summary(self.measurement.percentile);
            let Summary { mean, min, median, max, percentile, stddev, iterations } = summary;
            if self.link.output == Output::Table {
                writeln!(
                    out,
                    "\t{size}\t{mean}\t{min}\t{median}\t{max}\t{percentile}\t{stddev}\t{iterations}"
                )?;
                out.flush()?;
            }
            rows.push(Row { size, summary });
        }
        Ok(rows)
    }
}

fn write_raw(path: &str, samples: &Samples) -> anyhow::Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        samples.in_order().iter().try_for_each(|ns| writeln!(file, "{ns}"))?;
        file.flush()
    };
    write().with_context(|| format!("failed to write samples to {path}"))
}
