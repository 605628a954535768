//! `flyover bench self`: what this tool adds to what it measures, beside sockperf, the tool that adds least.
//!
//! Both play the same game on loopback, client and server processes of each on one CPU, in interleaved rounds. A
//! tool's own work is in its numbers; the one with the smaller numbers adds less.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use flyover_host::cmd::{Cmd, CmdError};
use flyover_latency::stats::{Ratio, median, ratio};
use serde::Serialize;

use super::super::Output;
use super::super::fault::{Exit, Fault};

const SIZE: &str = "64";
/// A server must listen within this time, even on a busy machine.
const START: Duration = Duration::from_secs(10);

/// Both tools play on loopback, on one CPU, in interleaved rounds. Ends with 3 if ours adds more.
#[derive(Debug, Args)]
pub(crate) struct Itself {
    /// Rounds of a second for each tool.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The processor of all.
    #[arg(long, default_value_t = 0)]
    cpu: usize,
    /// First of three ports.
    #[arg(long, default_value_t = 20480)]
    port: u16,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Serialize)]
struct Row {
    proto: &'static str,
    /// Medians of half round trips in nanoseconds.
    flyover: f64,
    sockperf: f64,
    ratio: Ratio,
}

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl Itself {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let rows = [self.compare("tcp", self.port)?, self.compare("udp", self.port + 1)?];
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?,
            Output::Table => rows.iter().try_for_each(|row| {
                let Ratio { value, low, high } = row.ratio;
                writeln!(
                    out,
                    "{}  flyover {:.0} ns  sockperf {:.0} ns  ratio {value:.3} [{low:.3}, {high:.3}]",
                    row.proto, row.flyover, row.sockperf
                )
            })?,
        }
        let worse = rows.iter().any(|row| row.ratio.low > 1.0);
        Ok(if worse { Exit::Differs.into() } else { ExitCode::SUCCESS })
    }

    fn compare(&self, proto: &'static str, port: u16) -> anyhow::Result<Row> {
        let _server = self.sockperf_server(proto, port)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..self.rounds.max(1) {
            tracing::debug!(proto, round, "measuring");
            if round % 2 == 0 {
                ours.push(self.flyover(proto)?);
                theirs.push(self.sockperf(proto, port)?);
            } else {
                theirs.push(self.sockperf(proto, port)?);
                ours.push(self.flyover(proto)?);
            }
        }
        let ratio = ratio(&ours, &theirs).context("no rounds were measured")?;
        Ok(Row { proto, flyover: median(&ours), sockperf: median(&theirs), ratio })
    }

    /// A command on our processor.
    fn pinned(&self, program: &str) -> Cmd {
        Cmd::new("taskset").args(["-c", &self.cpu.to_string(), program])
    }

    fn sockperf_server(&self, proto: &str, port: u16) -> anyhow::Result<Server> {
        Cmd::new("sockperf").args(["--version"]).run().map_err(missing)?;
        let address = ["server", "-i", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
        serve(self.pinned("sockperf").args(address).args(tcp_flag(proto)), proto, port)
    }

    fn sockperf(&self, proto: &str, port: u16) -> anyhow::Result<f64> {
        let port = port.to_string();
        let arguments = ["ping-pong", "-i", "127.0.0.1", "-p", &port, "-m", SIZE, "-t", "1"];
        let said = self.pinned("sockperf").args(arguments).args(tcp_flag(proto)).run()?;
        median_of(&said).ok_or_else(|| anyhow!("sockperf said no median: {said}"))
    }

    /// A server serves one client, so each round has its own.
    fn flyover(&self, proto: &str) -> anyhow::Result<f64> {
        let program = std::env::current_exe()?;
        let program = program.to_str().context("the name of this program is not UTF-8")?;
        let (number, port) = (self.port + 2, (self.port + 2).to_string());
        let _server =
            serve(self.pinned(program).args(["bench", "pingpong", "--port", &port]), "tcp", number)?;
        let time = ["--minms=1000", "--maxms=1000", "--warmupms=100", "--warmupiter=1000", "--affinity"];
        let said = self
            .pinned(program)
            .args(["bench", "pingpong", "-o", "json", "--nodelay", "--sizes", SIZE, "--port", &port])
            .args(time)
            .args([&self.cpu.to_string(), proto, "127.0.0.1"])
            .run()?;
        let rows: serde_json::Value = serde_json::from_str(&said)?;
        rows[0]["median"].as_f64().ok_or_else(|| anyhow!("no median in {said}"))
    }
}

fn tcp_flag(proto: &str) -> Option<&'static str> {
    (proto == "tcp").then_some("--tcp")
}

/// Starts a server, and waits for it to listen.
fn serve(command: Cmd, proto: &str, port: u16) -> anyhow::Result<Server> {
    let what = command.to_string();
    let server = Server(command.daemon(File::options().write(true).open("/dev/null")?)?);
    let started = Instant::now();
    while started.elapsed() < START {
        if is_bound(&fs::read_to_string(format!("/proc/net/{proto}"))?, port) {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(anyhow!("`{what}` does not listen on port {port}"))
}

/// Whether a port is some socket's own and nobody else's: in /proc/net/tcp a listener's state is 0A, in
/// /proc/net/udp an unconnected socket's 07.
fn is_bound(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [_, local, _, "0A" | "07", ..] if local.ends_with(&port))
    })
}

fn missing(error: CmdError) -> anyhow::Error {
    match error {
        CmdError::Start { .. } => {
            let fault = Fault::new(Exit::Impossible, "there is no sockperf to compare with");
            anyhow::Error::new(error).context(fault.hint("install it: apt-get install sockperf"))
        }
        other => other.into(),
    }
}

/// sockperf prints `---> percentile 50.000 =    3.412` in microseconds.
fn median_of(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains("percentile 50.00"))?;
    let micros: f64 = line.rsplit('=').next()?.trim().parse().ok()?;
    Some(micros * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_found_in_what_sockperf_prints() {
        let said =
            "sockperf: ---> percentile 75.000 =    3.531\nsockperf: ---> percentile 50.000 =    3.412\n";
        assert_eq!(median_of(said).map(f64::round), Some(3412.0));
        assert_eq!(median_of("sockperf: ERROR"), None);
    }

    #[test]
    fn a_connection_of_the_port_is_not_a_listener() {
        let listener = "  sl  local_address rem_address st\n 0: 0100007F:5000 00000000:0000 0A 0:0\n";
        let connection = " 1: 0100007F:5000 0100007F:8000 01 0:0\n";
        assert!(is_bound(listener, 0x5000) && !is_bound(connection, 0x5000) && !is_bound(listener, 0x500));
    }
}
