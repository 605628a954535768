//! Reads what a plan for a switch depends on: its daemon, its options, its bridges and ports.

use std::collections::BTreeMap;
use std::time::Duration;

use flyover_core::{BridgeFacts, CpuSet, HostPath, SwitchAt, SwitchFacts, VswitchdFacts};
use flyover_host::ovs::{self, Daemon, Snapshot};
use flyover_host::root::{HostError, HostRoot};

/// How long a daemon or a database may take to answer a question.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// The facts of a switch. One that does not run is a fact too.
pub fn facts(host: &HostRoot, at: &SwitchAt) -> Result<SwitchFacts, HostError> {
    let snapshot = match ovs::connect(host, at, ANSWER) {
        Ok(mut client) => Some(ovs::snapshot(&mut client)?),
        Err(HostError::Unsupported(_)) => None,
        Err(other) => return Err(other),
    };
    Ok(SwitchFacts {
        at: at.clone(),
        daemon: ovs::vswitchd(host, at).map(|daemon| of_daemon(host, &daemon, snapshot.as_ref(), ANSWER)),
        options: snapshot.as_ref().and_then(|found| Some(found.switch.as_ref()?.other_config.clone())),
        bridges: snapshot.as_ref().map_or_else(BTreeMap::new, of_bridges),
        mempool_driver: mempool_driver(host),
    })
}

/// What a daemon says of itself; one that does not answer in time has no version.
pub(crate) fn of_daemon(
    host: &HostRoot,
    daemon: &Daemon,
    found: Option<&Snapshot>,
    limit: Duration,
) -> VswitchdFacts {
    let row = found.and_then(|found| found.switch.as_ref());
    // A daemon that is too busy to answer, as one that starts DPDK is, has no version to be told.
    let said = daemon.ask("version", &[], limit).unwrap_or_default();
    let version =
        said.lines().next().and_then(|line| line.rsplit_once(' ')).map_or("", |(_, version)| version);
    let linked = said.lines().find_map(|line| line.strip_prefix("DPDK ")).map(|word| word.trim().to_owned());
    let dpdk_version =
        row.and_then(|row| row.dpdk_version.clone()).or(linked).filter(|version| version != "none");
    // A row that the daemon has not written to yet says nothing, and is no reason to refuse.
    let may_have = row.is_none_or(|row| row.iface_types.is_empty() || row.iface_types.contains("dpdk"));
    VswitchdFacts {
        pid: daemon.pid,
        version: version.to_owned(),
        has_dpdk: dpdk_version.is_some() || may_have,
        dpdk_version,
        dpdk_initialized: row.is_some_and(|row| row.dpdk_initialized),
        allowed_cpus: allowed_cpus(host, daemon.pid),
        control: daemon.control.clone(),
    }
}

/// The processors that its threads may run on, taken together: DPDK pins single threads to single ones.
fn allowed_cpus(host: &HostRoot, pid: u32) -> CpuSet {
    let tasks = HostPath::fixed(&format!("/proc/{pid}/task"));
    let of_task = |task: &String| {
        let text = host.text(&tasks.join(&format!("{task}/status")).ok()?)?;
        let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        list.trim().parse::<CpuSet>().ok()
    };
    host.names(&tasks).iter().filter_map(of_task).fold(CpuSet::new(), |all, cpus| all.union(&cpus))
}

fn of_bridges(found: &Snapshot) -> BTreeMap<String, BridgeFacts> {
    let of_bridge = |bridge| {
        let ports = found.ports_of(bridge).map(|port| (port.name.clone(), ovs::all_of_port(found, port)));
        BridgeFacts { state: ovs::all_of_bridge(bridge), ports: ports.collect() }
    };
    found.bridges.iter().map(|bridge| (bridge.name.clone(), of_bridge(bridge))).collect()
}

/// Whether a driver of DPDK's mempools lies where distributions keep DPDK's drivers. Where there is no such place, DPDK
/// may have it built in.
pub(crate) fn mempool_driver(host: &HostRoot) -> Option<bool> {
    let libraries = HostPath::fixed("/usr/lib");
    let places = [libraries.clone(), HostPath::fixed("/usr/lib64")];
    let below = host.names(&libraries).into_iter().filter_map(|name| libraries.join(&name).ok());
    let drivers = places.into_iter().chain(below).filter_map(|place| {
        let dpdk = place.join("dpdk").ok()?;
        let folders = host.names_like(&dpdk, &|name| name.starts_with("pmds-"));
        let found = folders.iter().filter_map(|name| dpdk.join(name).ok()).map(|folder| {
            !host.names_like(&folder, &|name| name.starts_with("librte_mempool_ring.so")).is_empty()
        });
        found.reduce(|one, other| one || other)
    });
    drivers.reduce(|one, other| one || other)
}
