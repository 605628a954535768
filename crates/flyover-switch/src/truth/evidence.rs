//! All that is asked of a switch, at one moment as nearly as that can be.

use std::time::Duration;

use flyover_core::{SwitchAt, VswitchdFacts};
use flyover_host::ovs::{self, LogMark, Snapshot};
use flyover_host::root::{HostError, HostRoot};
use flyover_ovs::appctl::{Datapath, Mempool, Pmd, Work, command};

use crate::facts::{ANSWER, mempool_driver, of_daemon};

/// What a switch says of itself. None is what was not answered.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Which switch.
    pub at: SwitchAt,
    /// Its database.
    pub snapshot: Option<Snapshot>,
    /// Its daemon.
    pub daemon: Option<VswitchdFacts>,
    /// Whether an option waits for a restart.
    pub pending: bool,
    /// Whether a driver of DPDK's mempools is installed.
    pub mempool_driver: Option<bool>,
    /// The ports in its datapaths.
    pub datapaths: Option<Vec<Datapath>>,
    /// Its threads and their queues.
    pub pmds: Option<Vec<Pmd>>,
    /// What those did.
    pub work: Vec<Work>,
    /// Its pools. Asked for all together: asked for the pool of a vhost port that has none, Open vSwitch 3.1 follows a
    /// null pointer and dies.
    pub pools: Option<Vec<Mempool>>,
    /// The last complaints about a pool in its log, by interface where one is named.
    pub complaints: Vec<String>,
}

/// Asks a switch, which may be busy.
pub fn evidence(host: &HostRoot, at: &SwitchAt) -> Result<Evidence, HostError> {
    evidence_within(host, at, ANSWER)
}

/// Asks a switch. A daemon that does not answer the first question in time is asked no other.
pub fn evidence_within(host: &HostRoot, at: &SwitchAt, limit: Duration) -> Result<Evidence, HostError> {
    let snapshot = match ovs::connect(host, at, ANSWER) {
        Ok(mut client) => Some(ovs::snapshot_in_parts(&mut client)?),
        Err(HostError::Unsupported(_)) => None,
        Err(other) => return Err(other),
    };
    let daemon = ovs::vswitchd(host, at);
    let row = snapshot.as_ref().and_then(|found| found.switch.as_ref());
    let pending = row
        .zip(daemon.as_ref())
        .is_some_and(|(row, daemon)| ovs::is_pending(host, &row.external_ids, daemon));
    let told = daemon.as_ref().map(|daemon| of_daemon(host, daemon, snapshot.as_ref(), limit));
    let talks = told.as_ref().is_some_and(|told| !told.version.is_empty());
    let ask = |command: &str, arguments: &[&str]| {
        let daemon = daemon.as_ref().filter(|_| talks);
        daemon.and_then(|daemon| daemon.ask(command, arguments, ANSWER).ok())
    };
    Ok(Evidence {
        at: at.clone(),
        pending,
        mempool_driver: mempool_driver(host),
        datapaths: ask(command::DATAPATHS, &[]).map(|text| Datapath::all(&text)),
        pmds: ask(command::RXQ, &[]).map(|text| Pmd::all(&text)),
        work: work(ask),
        pools: ask(command::MEMPOOLS, &[]).map(|text| Mempool::all(&text)),
        complaints: LogMark::start(host, at).lines_with(&["mempool", "memory pool"]),
        daemon: told,
        snapshot,
    })
}

/// By the command that counts cycles; the other one rounds them, so that they may seem to run backwards.
fn work(ask: impl Fn(&str, &[&str]) -> Option<String>) -> Vec<Work> {
    let counted = ask(command::STATS, &[]).map(|text| Work::of_stats(&text));
    let counted = counted.filter(|work| work.iter().any(|work| work.busy_cycles.is_some()));
    let shared = || ask(command::PERF, &[]).map(|text| Work::of_perf(&text));
    counted.or_else(shared).unwrap_or_default()
}
