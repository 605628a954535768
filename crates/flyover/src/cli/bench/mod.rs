//! `flyover bench`: numbers for people and programs, from the engine in flyover-latency.
//!
//! Each measuring verb is its own server if it is given no host, as the sfnettest tools are.

mod both;
mod compare;
mod connect;
mod header;
mod html;
mod itself;
mod link;
mod paths;
mod pingpong;
mod progress;
mod stream;
mod table;
mod throughput;

use std::process::ExitCode;

use clap::Subcommand;

/// Verbs of `flyover bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Measure latency by messages back and forth, with the options and columns of sfnt-pingpong.
    Pingpong(Box<pingpong::PingPong>),
    /// Measure latency and loss of UDP messages at offered rates.
    Stream(stream::Stream),
    /// Measure how much goes through, over TCP.
    Throughput(throughput::Throughput),
    /// Measure a fresh TCP connection for each request.
    Connect(connect::Connect),
    /// Compare the paths of a lab: overlay, NOTRACK, FastPath, wire, bare.
    Compare(compare::Compare),
    /// Compare this tool's own overhead with sockperf's, on loopback.
    #[command(name = "self")]
    Itself(itself::Itself),
}

impl Bench {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Pingpong(verb) => verb.run()?,
            Self::Stream(verb) => verb.run()?,
            Self::Throughput(verb) => verb.run()?,
            Self::Connect(verb) => verb.run()?,
            Self::Compare(verb) => verb.run()?,
            Self::Itself(verb) => return verb.run(),
        }
        Ok(ExitCode::SUCCESS)
    }
}
