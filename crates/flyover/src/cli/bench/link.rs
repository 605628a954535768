//! What verbs with a client and a server share: where the server is, the port, the versions of IP, the processors,
//! and how a result is printed.

use std::thread::JoinHandle;

use anyhow::Context;
use clap::Args;
use flyover_latency::MeasureError;
use flyover_latency::session::{self, Families, Seat};
use serde::Serialize;

use super::super::{Output, print};
use super::both::{Both, Core, default_cores};

/// Where the server is, for verbs that measure nothing without one.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// HOST or HOST:PORT of the server.
    host: Option<String>,
    /// Also be the server, on loopback.
    #[arg(long, conflicts_with = "host")]
    forkboth: bool,
}

/// Options of every verb with a server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Link {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Server's port.
    #[arg(long, default_value_t = 2048)]
    pub(crate) port: u16,
    /// Processors of client and server, or `any` [default: 1 and 1].
    #[arg(long, value_name = "CLIENT;SERVER")]
    affinity: Option<Both<Core>>,
    /// As the server, serve one client after the other, until it is ended.
    #[arg(long)]
    keep: bool,
    /// Use IPv4 only.
    #[arg(long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(long)]
    ipv6: bool,
}

/// A server in this process, if there is none elsewhere.
pub(crate) struct Own(Option<JoinHandle<Result<(), MeasureError>>>);

impl Own {
    /// None was needed.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Waits for its end.
    pub(crate) fn join(self) -> anyhow::Result<()> {
        self.0.map_or(Ok(()), |server| Ok(server.join().expect("a server does not panic")?))
    }
}

impl Link {
    pub(crate) fn families(&self) -> Families {
        match (self.ipv4, self.ipv6) {
            (true, _) => Families::V4,
            (_, true) => Families::V6,
            _ => Families::Any,
        }
    }

    /// The processors, the client's first. `apart`: two spinning ends on one would only take it from each other.
    pub(crate) fn cores(&self, apart: bool) -> [Option<usize>; 2] {
        self.affinity.clone().unwrap_or_else(|| default_cores(apart)).map(|core| core.0)
    }

    /// Both seats, with nothing but a processor.
    pub(crate) fn seats(&self) -> [Seat; 2] {
        self.cores(false).map(|cpu| Seat { cpu, ..Seat::default() })
    }

    /// Is the server.
    pub(crate) fn serve(&self) -> anyhow::Result<()> {
        if !self.keep {
            return self.serve_one(session::Server::bind(self.port, self.families())?);
        }
        loop {
            // Each on a thread of its own: the last client's processor is not the next one's.
            let server = session::Server::bind(self.port, self.families())?;
            let served = std::thread::scope(|scope| {
                scope.spawn(|| self.serve_one(server)).join().expect("a server does not panic")
            });
            if let Err(error) = served {
                tracing::warn!("{error:#}");
            }
        }
    }

    fn serve_one(&self, server: session::Server) -> anyhow::Result<()> {
        tracing::info!(port = self.port, "waiting for a client");
        Ok(server.serve(|| tracing::info!("client connected"))?)
    }

    /// Finds the server, for a client; if nobody is to be its client here, is the server, and returns when it has served.
    pub(crate) fn meet(&self, server: &Server) -> anyhow::Result<Option<(session::Socket, Own)>> {
        match (&server.host, server.forkboth) {
            (None, false) => self.serve().map(|()| None),
            (host, own) => self.dial(host.as_deref().unwrap_or_else(|| self.loopback()), own).map(Some),
        }
    }

    /// Finds the server; with `own`, it is a thread of this process.
    pub(crate) fn dial(&self, host: &str, own: bool) -> anyhow::Result<(session::Socket, Own)> {
        let server = own.then(|| session::serve_on_a_thread(self.port, self.families())).transpose()?;
        let mut waiting = || tracing::info!(host, "waiting for the server to start");
        let control = session::dial(host, self.port, self.families(), &mut waiting)
            .with_context(|| format!("no server answers at {host}"))?;
        Ok((control, Own(server)))
    }

    /// Prints a result: a sentence for people, all of it for programs.
    pub(crate) fn print(&self, row: &impl Serialize, sentence: &str) -> anyhow::Result<()> {
        match self.output {
            Output::Json => print::json(row),
            Output::Table => print::text(sentence),
        }
    }

    /// This machine.
    pub(crate) fn loopback(&self) -> &'static str {
        if self.ipv6 { "::1" } else { "127.0.0.1" }
    }
}
