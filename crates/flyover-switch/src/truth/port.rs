//! What holds for an interface.

use std::collections::BTreeMap;

use flyover_ovs::appctl::{Mempool, Pmd, Thread};
use flyover_ovs::tables::{Interface, Port};
use flyover_plan::switch::adjusted_mtu;

use super::condition::ConditionType::{MempoolReady, PeerConnected, Polled, PortInDatapath};
use super::{Condition, Evidence, PortTruth, QueueTruth};

/// The package that brings the driver of mempools on Debian, by its version of DPDK.
const DRIVER: &str = "no driver of DPDK's memory pools is installed, and without one no pool can be made: install it \
                      (Debian 12: librte-mempool-ring23) and restart ovs-vswitchd";

/// The MTU of a port that asks for none.
const USUAL_MTU: i64 = 1500;

pub(super) fn judge(evidence: &Evidence, port: &Port, interface: &Interface) -> PortTruth {
    let mut conditions = vec![in_datapath(evidence, interface)];
    if interface.kind.starts_with("dpdk") {
        conditions.push(pool(evidence, interface));
        if is_vhost(interface) {
            conditions.push(peer(interface));
        }
        conditions.push(polled(evidence, interface));
    }
    PortTruth {
        name: interface.name.clone(),
        bond: (port.name != interface.name).then(|| port.name.clone()),
        kind: interface.kind.clone(),
        ofport: interface.ofport,
        link_up: interface.link_state.as_deref().map(|state| state == "up"),
        mtu: interface.mtu,
        socket: interface
            .status
            .get("socket")
            .or_else(|| interface.options.get("vhost-server-path"))
            .cloned(),
        queues: queues(evidence, &interface.name),
        // They are taken over by who judges the whole.
        statistics: BTreeMap::new(),
        conditions,
    }
}

fn is_vhost(interface: &Interface) -> bool {
    interface.kind.starts_with("dpdkvhostuser")
}

fn is_connected(interface: &Interface) -> bool {
    interface.status.get("status").is_some_and(|status| status == "connected")
}

/// The number a datapath has for an interface, if any datapath lists it with one.
fn is_listed(evidence: &Evidence, name: &str) -> Option<bool> {
    let datapaths = evidence.datapaths.as_ref()?;
    let ports = datapaths.iter().filter_map(|datapath| datapath.port(name));
    Some(ports.into_iter().any(|port| port.number.is_some()))
}

fn in_datapath(evidence: &Evidence, interface: &Interface) -> Condition {
    let made = interface.error.is_none() && interface.ofport.is_some_and(|number| number > 0);
    match (is_listed(evidence, &interface.name), made) {
        (Some(true), true) => Condition::is(PortInDatapath, "Listed"),
        (Some(false), true) => Condition::is_not(
            PortInDatapath,
            "Dropped",
            "the database calls it well, and the datapath does not have it",
        ),
        (Some(_), false) => {
            let error = interface.error.clone().unwrap_or_else(|| "it has no number".to_owned());
            Condition::is_not(PortInDatapath, "NotMade", error)
        }
        (None, _) => Condition::unknown(PortInDatapath, "NotAnswered", ""),
    }
}

/// A vhost port's pool is made when its peer connects: only then can its memory fail. Which pool is whose is not told, so
/// it is a pool for packets of its length that is looked for, and that the datapath kept the port.
fn pool(evidence: &Evidence, interface: &Interface) -> Condition {
    if evidence.mempool_driver == Some(false) {
        return Condition::is_not(MempoolReady, "NoDriver", DRIVER);
    }
    let Some(pools) = &evidence.pools else { return Condition::unknown(MempoolReady, "NotAnswered", "") };
    if is_vhost(interface) && !is_connected(interface) {
        return Condition::unknown(MempoolReady, "NoPeer", "it is made when a peer connects");
    }
    if let Some(error) = &interface.error {
        return Condition::unknown(MempoolReady, "NoPort", error.clone());
    }
    let fits = pools.iter().any(|pool| fits(pool, interface));
    let is_down = is_vhost(interface) && interface.link_state.as_deref() == Some("down");
    let dropped = is_listed(evidence, &interface.name) == Some(false);
    match (fits, is_down || dropped) {
        (true, false) => Condition::is(MempoolReady, "Made"),
        (false, true) => Condition::is_not(MempoolReady, "NotMade", no_pool(evidence, interface)),
        (true, true) if !complaints(evidence, interface).is_empty() => {
            Condition::is_not(MempoolReady, "NotMade", no_pool(evidence, interface))
        }
        (true, true) => Condition::unknown(MempoolReady, "LinkDown", "the peer has not begun to use it"),
        (false, false) => {
            Condition::unknown(MempoolReady, "NotFound", "no pool for packets of its length is told of")
        }
    }
}

fn fits(pool: &Mempool, interface: &Interface) -> bool {
    let mtu = interface.mtu.filter(|mtu| *mtu > 0).or(interface.mtu_request).unwrap_or(USUAL_MTU);
    let Ok(mtu) = u32::try_from(mtu) else { return false };
    let node = ["numa", "numa_id"].iter().find_map(|key| interface.status.get(*key)?.parse::<i32>().ok());
    pool.adjusted_mtu().is_none_or(|adjusted| u64::from(adjusted) == adjusted_mtu(mtu))
        && pool.socket.zip(node).is_none_or(|(pool, port)| pool == port || pool < 0 || port < 0)
}

/// What the log says of the pool of an interface.
fn complaints<'a>(evidence: &'a Evidence, interface: &Interface) -> Vec<&'a String> {
    let port = format!(" {}", interface.name);
    let names_it = |line: &&String| line.contains(&port);
    evidence.complaints.iter().filter(names_it).collect()
}

fn no_pool(evidence: &Evidence, interface: &Interface) -> String {
    let named = complaints(evidence, interface);
    let said = named.last().copied().or(evidence.complaints.last());
    let said = said.map_or_else(String::new, |line| format!(" (log: {line})"));
    format!(
        "no pool could be made for its packets{said}: give DPDK more memory (flyover switch size), or ports pools of \
         their own (dpdk.perPortMemory)"
    )
}

fn peer(interface: &Interface) -> Condition {
    if is_connected(interface) {
        return Condition::is(PeerConnected, "Connected");
    }
    match interface.status.get("status") {
        Some(_) => {
            Condition::is_not(PeerConnected, "Disconnected", "nobody is at the other end of its socket")
        }
        None => Condition::unknown(PeerConnected, "NotAnswered", ""),
    }
}

/// A port without a peer is polled by nobody, and misses nothing.
fn polled(evidence: &Evidence, interface: &Interface) -> Condition {
    if evidence.pmds.is_none() {
        return Condition::unknown(Polled, "NotAnswered", "");
    }
    let queues = queues(evidence, &interface.name);
    let cores: Vec<String> =
        queues.iter().filter(|queue| queue.enabled).map(|queue| format!("CPU {}", queue.core)).collect();
    if !cores.is_empty() {
        return Condition { message: cores.join(", "), ..Condition::is(Polled, "ByThread") };
    }
    if is_vhost(interface) && !is_connected(interface) {
        return Condition::unknown(Polled, "NoPeer", "it is polled when a peer connects");
    }
    Condition::is_not(
        Polled,
        "ByNobody",
        "no thread polls it: see pmd-cpu-mask, and that its NUMA node has a thread",
    )
}

fn queues(evidence: &Evidence, name: &str) -> Vec<QueueTruth> {
    let of_pmd = |pmd: &Pmd| {
        let Thread::Pmd { core, .. } = pmd.thread else { return Vec::new() };
        let mine = pmd.queues.iter().filter(|queue| queue.port == name);
        mine.map(|queue| QueueTruth { queue: queue.number, core, enabled: queue.enabled, usage: queue.usage })
            .collect()
    };
    let mut queues: Vec<QueueTruth> = evidence.pmds.iter().flatten().flat_map(of_pmd).collect();
    queues.sort_by_key(|queue| (queue.queue, queue.core));
    queues
}
