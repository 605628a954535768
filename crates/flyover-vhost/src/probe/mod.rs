//! Sends frames through a switch and says whether they pass, and how fast: what its database says is no proof.
//!
//! Invariants: the probe touches no port but its own two; they and their sockets are gone when it returns, and those of a
//! probe that was killed are collected by the next one, by whom they belong to and never by their names.

mod frames;
mod ports;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flyover_ovs::{Client, OvsError};

use self::frames::Pair;
pub use self::ports::collect;
use self::ports::{OWNER, Place};
use crate::error::VhostError;
use crate::port::{Port, Settings};

/// How many round trips are measured.
const ROUNDS: u32 = 100;
/// How long one of them may take before it counts as lost.
const ROUND: Duration = Duration::from_millis(200);
/// For removing the ports, after whatever happened.
const CLEAN: Duration = Duration::from_secs(10);

/// What passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Frames that were sent, both ways together.
    pub sent: u32,
    /// Frames that came, whole, at the other end.
    pub received: u32,
    /// From the ports' birth until the first frame passed.
    pub first: Duration,
    /// The shortest round trip.
    pub shortest: Duration,
    /// The one in the middle.
    pub median: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Why nothing can be said, or nothing passes.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The bridge is not one that frames in user space pass.
    #[error("bridge {bridge} {what}")]
    Bridge {
        /// Which.
        bridge: String,
        /// What is wrong with it.
        what: String,
    },
    /// The database did not do what was asked.
    #[error("failed to {verb} the probe's ports on bridge {bridge}")]
    Database {
        /// What was asked.
        verb: &'static str,
        /// Which bridge.
        bridge: String,
        /// What it said.
        source: OvsError,
    },
    /// The sockets' directory cannot be made or removed.
    #[error("failed to {verb} the probe's directory `{path}`")]
    Directory {
        /// What was attempted.
        verb: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A port does not work.
    #[error("a port of bridge {bridge} does not work")]
    Port {
        /// Which bridge.
        bridge: String,
        /// In what way.
        source: VhostError,
    },
    /// Both ports are connected, and nothing passes.
    #[error("no frame passes between two ports of bridge {bridge}: {sent} sent within {limit:?}")]
    Silent {
        /// Which bridge.
        bridge: String,
        /// How many were tried.
        sent: u32,
        /// For how long.
        limit: Duration,
    },
}

/// Adds two ports to a bridge, in a VLAN if there is one, sends frames both ways, and removes the ports.
pub fn probe(
    database: &Path,
    bridge: &str,
    vlan: Option<u16>,
    deadline: Instant,
) -> Result<Report, ProbeError> {
    let said = |verb| move |source| ProbeError::Database { verb, bridge: bridge.to_owned(), source };
    let left = deadline.saturating_duration_since(Instant::now());
    let mut client = Client::connect(database, left).map_err(said("add"))?;
    collect(database, left).map_err(said("collect"))?;
    ports::check(&mut client, bridge)?;
    let place = Place::new(database)?;
    let removal = Removal { database, place: &place, bridge };
    let measured = measure(&mut client, bridge, vlan, &place, deadline);
    let removed = removal.remove();
    let report = measured?;
    removed.map(|()| report)
}

fn measure(
    client: &mut Client,
    bridge: &str,
    vlan: Option<u16>,
    place: &Place,
    deadline: Instant,
) -> Result<Report, ProbeError> {
    let port = |source| ProbeError::Port { bridge: bridge.to_owned(), source };
    let patience = deadline.saturating_duration_since(Instant::now()).min(Settings::default().patience);
    let settings = Settings { patience, ..Settings::default() };
    let listen = |socket| {
        let port = Port::listen(&place.here(socket), settings.clone())?;
        place.give(socket).map(|()| port)
    };
    let [a, b] = ports::SOCKETS.map(listen);
    let (a, b) = (a.map_err(port)?, b.map_err(port)?);
    let born = Instant::now();
    let added = ports::add(client, bridge, vlan, place);
    added.map_err(|source| ProbeError::Database { verb: "add", bridge: bridge.to_owned(), source })?;
    let mut pair = Pair::new(a, b);
    pair.ready(deadline).map_err(port)?;
    let first = pair.first(deadline).map_err(port)?;
    if !first {
        let limit = born.elapsed();
        return Err(ProbeError::Silent { bridge: bridge.to_owned(), sent: pair.sent(), limit });
    }
    let first = born.elapsed();
    let mut times = pair.rounds(ROUNDS, ROUND, deadline).map_err(port)?;
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok(Report {
        sent: pair.sent(),
        received: pair.received(),
        first,
        shortest: at(0),
        median: at(times.len() / 2),
        longest: at(times.len().saturating_sub(1)),
    })
}

/// Takes the ports away, whatever happened before.
struct Removal<'a> {
    database: &'a Path,
    place: &'a Place,
    bridge: &'a str,
}

impl Removal<'_> {
    fn remove(self) -> Result<(), ProbeError> {
        let said = |source| ProbeError::Database { verb: "remove", bridge: self.bridge.to_owned(), source };
        // The probe's own connection may be what broke.
        let mut client = Client::connect(self.database, CLEAN).map_err(said)?;
        ports::remove(&mut client, self.place.id()).map_err(said)?;
        self.place.remove()
    }
}

/// Whose a port is that a probe made, in `external_ids`.
#[must_use]
pub fn owner() -> &'static str {
    OWNER
}

fn directory(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ProbeError {
    let path = path.to_owned();
    move |source| ProbeError::Directory { verb, path, source }
}

fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
