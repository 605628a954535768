//! Whether packets can pass: what a switch's database says, held against what its datapath does.
//!
//! A database can call a port well that the datapath dropped: pools of packets are made when a guest connects, and one
//! that cannot be made is told to the log alone. So a port is held to be well only if the datapath lists it, a thread polls
//! it and a pool is there for it.
//!
//! Invariant: judging is pure, from one [`Evidence`]. What was not asked, or not answered, is unknown, never well.

mod bridge;
mod condition;
mod evidence;
mod port;
mod whole;

use std::collections::BTreeMap;

use flyover_core::{HostPath, VswitchdFacts};
use flyover_ovs::appctl::{Mempool, Thread};
use serde::Serialize;

pub use condition::{Condition, ConditionType, Status};
pub use evidence::{Evidence, evidence, evidence_within};

/// A switch and all in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Truth {
    /// Its run directory.
    pub switch: HostPath,
    /// No condition is false, here or below, but that a peer is there: who has not come yet is no fault of the switch.
    pub healthy: bool,
    /// Its daemon, if it runs.
    pub daemon: Option<VswitchdFacts>,
    /// What holds for all of it.
    pub conditions: Vec<Condition>,
    /// Its bridges.
    pub bridges: Vec<BridgeTruth>,
    /// The threads that poll.
    pub threads: Vec<ThreadTruth>,
    /// The pools of packets.
    pub pools: Vec<PoolTruth>,
}

/// A bridge.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeTruth {
    /// Its name.
    pub name: String,
    /// What holds for it.
    pub conditions: Vec<Condition>,
    /// Its ports but its own.
    pub ports: Vec<PortTruth>,
}

/// An interface of a port; a bond has several.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortTruth {
    /// The interface's name.
    pub name: String,
    /// The port it belongs to, where that has another name: the bond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<String>,
    /// `dpdk`, `dpdkvhostuserclient`, …
    pub kind: String,
    /// Its number, as the database has it.
    pub ofport: Option<i64>,
    /// Whether its link is up.
    pub link_up: Option<bool>,
    /// The MTU it has.
    pub mtu: Option<i64>,
    /// The socket of its peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Which thread polls which of its queues.
    pub queues: Vec<QueueTruth>,
    /// Packets and bytes, by the names of the database.
    pub statistics: BTreeMap<String, i64>,
    /// What holds for it.
    pub conditions: Vec<Condition>,
}

/// A queue of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueTruth {
    /// Its number.
    pub queue: u32,
    /// The processor of the thread that polls it.
    pub core: u32,
    /// Whether it is polled now.
    pub enabled: bool,
    /// Per cent of its thread's time; none until it was measured.
    pub usage: Option<u32>,
}

/// A thread that polls.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadTruth {
    /// Its processor.
    pub core: u32,
    /// The NUMA node of that.
    pub numa: u32,
    /// How many queues it polls.
    pub queues: usize,
    /// Per cent of its cycles that went into packets; none where it was not told.
    pub busy: Option<f64>,
}

/// A pool of packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolTruth {
    /// Its name.
    pub name: String,
    /// The NUMA node of its memory.
    pub node: Option<i32>,
    /// How many packets it holds.
    pub size: Option<u64>,
    /// How many are in use.
    pub in_use: Option<u64>,
    /// Bytes of all of it.
    pub bytes: Option<u64>,
}

/// Judges. Counters are taken over, for they are most of what was read.
#[must_use]
pub fn judge(mut evidence: Evidence) -> Truth {
    let mut counted = counters(&mut evidence);
    let evidence = &evidence;
    let found = evidence.snapshot.as_ref();
    let mut bridges: Vec<BridgeTruth> = found.map_or_else(Vec::new, |found| {
        found.bridges.iter().map(|row| bridge::judge(evidence, found, row)).collect()
    });
    for port in bridges.iter_mut().flat_map(|bridge| &mut bridge.ports) {
        port.statistics = counted.remove(&port.name).unwrap_or_default();
    }
    let conditions = whole::judge(evidence);
    let ports = bridges.iter().flat_map(|bridge| bridge.ports.iter().flat_map(|port| &port.conditions));
    let all = conditions.iter().chain(bridges.iter().flat_map(|bridge| &bridge.conditions)).chain(ports);
    let healthy = all.into_iter().all(|condition| !condition.is_fault());
    Truth {
        switch: evidence.at.rundir.clone(),
        healthy,
        daemon: evidence.daemon.clone(),
        conditions,
        bridges,
        threads: threads(evidence),
        pools: evidence.pools.iter().flatten().map(pool).collect(),
    }
}

/// The counters of each interface.
fn counters(evidence: &mut Evidence) -> BTreeMap<String, BTreeMap<String, i64>> {
    let interfaces = evidence.snapshot.iter_mut().flat_map(|found| &mut found.interfaces);
    interfaces.map(|row| (row.name.clone(), std::mem::take(&mut row.statistics))).collect()
}

fn threads(evidence: &Evidence) -> Vec<ThreadTruth> {
    let of_pmd = |pmd: &flyover_ovs::appctl::Pmd| {
        let Thread::Pmd { numa, core } = pmd.thread else { return None };
        let work = evidence.work.iter().find(|work| work.thread == pmd.thread);
        let busy =
            work.and_then(flyover_ovs::appctl::Work::busy).map(|share| (share * 1000.0).round() / 10.0);
        Some(ThreadTruth { core, numa, queues: pmd.queues.len(), busy })
    };
    evidence.pmds.iter().flatten().filter_map(of_pmd).collect()
}

fn pool(pool: &Mempool) -> PoolTruth {
    PoolTruth {
        name: pool.name.clone(),
        node: pool.socket,
        size: pool.size,
        in_use: pool.in_use(),
        bytes: pool.bytes(),
    }
}
