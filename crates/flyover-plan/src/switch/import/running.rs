//! A running switch as a spec.
//!
//! Invariant: the spec describes what is in user space and is kept by nobody else: bridges, their uplinks, and how many
//! guests there are. Everything else is left as it is, and named.

use std::collections::BTreeMap;

use flyover_api::{BridgeSpec, ExpectedPorts, ProcessesSpec, RuntimeSpec, SwitchSpec};
use flyover_core::facts::HostFacts;
use flyover_core::{BridgeFacts, FileMode, HostPath, Keeper, SwitchAt, SwitchFacts};

use super::advice::is_known;
use super::running_ports::{Guests, bridge_of};
use super::{Imported, finish};
use crate::switch::lint::Finding;
use crate::switch::{Release, at};

/// The bridge that OVN's own daemon keeps.
const OVNS: &str = "br-int";

/// The spec of a running switch. `modes` are those of directories that hold sockets, as far as they are known.
#[must_use]
pub fn running(switch: &SwitchFacts, host: &HostFacts, modes: &BTreeMap<HostPath, FileMode>) -> Imported {
    let mut findings = Vec::new();
    let (options, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        switch.options.clone().unwrap_or_default().into_iter().partition(|(key, _)| is_known(key));
    if !others.is_empty() {
        let keys = others.into_keys().collect::<Vec<_>>().join(", ");
        findings.push(Finding::note(
            "options",
            format!("{keys}: others write them, and they are left as they are"),
        ));
    }
    if switch.options.is_none() {
        let what = format!("no database answers at {}", switch.at.database);
        findings.push(Finding::error("runtime.database", what).hint("is ovsdb-server running?"));
    }
    findings.extend(daemon(switch));
    let mut guests = Guests::default();
    let bridges: Vec<BridgeSpec> = switch
        .bridges
        .iter()
        .filter_map(|(name, bridge)| of_bridge(name, bridge, &mut guests, &mut findings))
        .collect();
    findings.extend(directories(&guests, &switch.at, modes));
    let spec = SwitchSpec {
        runtime: runtime(&switch.at, host),
        bridges,
        expected_ports: expected(&guests),
        options,
        ..SwitchSpec::default()
    };
    let release = Release::of(switch.daemon.as_ref().map(|daemon| daemon.version.as_str()));
    finish(&spec, findings, Some((host, &release)))
}

fn daemon(switch: &SwitchFacts) -> Vec<Finding> {
    let Some(daemon) = &switch.daemon else {
        return vec![Finding::error("runtime", "ovs-vswitchd does not run").hint("start it first")];
    };
    let mut findings = Vec::new();
    let wants = switch.options.as_ref().is_some_and(|options| options.contains_key("dpdk-init"));
    if wants && daemon.has_dpdk && !daemon.dpdk_initialized {
        findings.push(
            Finding::error("dpdk.init", "DPDK is asked for and does not run in the daemon")
                .hint("its log says why; it starts with the daemon only, so restart it when that is mended"),
        );
    }
    if !daemon.has_dpdk {
        let what = format!("ovs-vswitchd {} is built without DPDK", daemon.version);
        findings.push(Finding::error("runtime", what).hint("Debian has it in openvswitch-switch-dpdk"));
    }
    if switch.mempool_driver == Some(false) {
        let what =
            "no driver of DPDK's memory pools is installed: every vhost port fails with `Invalid argument`";
        findings.push(Finding::error("runtime", what).hint("Debian has it in librte-mempool-ring23"));
    }
    findings
}

/// Only what is not found by itself.
fn runtime(at: &SwitchAt, host: &HostFacts) -> RuntimeSpec {
    let usual = self::at(&RuntimeSpec::default(), host);
    let directory = (at.rundir != usual.rundir).then(|| at.rundir.clone());
    let beside = at.rundir.join("db.sock").is_ok_and(|socket| socket == at.database);
    let service = match &at.keeper {
        Keeper::Unit(unit) if usual.keeper != at.keeper => Some(unit.clone()),
        _ => None,
    };
    let processes = match &at.keeper {
        Keeper::Flyover(processes) => Some(ProcessesSpec {
            file: Some(processes.file.clone()),
            vswitchd: Some(processes.vswitchd.clone()),
            netns: processes.netns.clone(),
        }),
        _ => None,
    };
    RuntimeSpec { directory, database: (!beside).then(|| at.database.clone()), service, processes }
}

fn of_bridge(
    name: &str,
    bridge: &BridgeFacts,
    guests: &mut Guests,
    findings: &mut Vec<Finding>,
) -> Option<BridgeSpec> {
    let at = format!("bridge {name}");
    if bridge.state.datapath_type != "netdev" {
        findings.push(Finding::note(at, "it is in the kernel, and is left as it is"));
        return None;
    }
    let Ok(name) = name.parse() else {
        findings
            .push(Finding::warning(at, "its name is none that other programs take, and it is left as it is"));
        return None;
    };
    let spec = bridge_of(name, bridge, guests, findings);
    if spec.name.as_str() == OVNS && spec.uplinks.is_empty() {
        findings.push(Finding::note(at, "it is OVN's, and is left as it is"));
        return None;
    }
    Some(spec)
}

fn expected(guests: &Guests) -> Vec<ExpectedPorts> {
    let ports = guests.by_mtu.iter();
    ports.map(|(mtu, count)| ExpectedPorts { count: *count, mtu: *mtu, node: None, queues: 1 }).collect()
}

/// Directories of sockets that let others in.
fn directories(guests: &Guests, at: &SwitchAt, modes: &BTreeMap<HostPath, FileMode>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dir in &guests.directories {
        if *dir == at.rundir || at.database.parent().as_ref() == Some(dir) {
            let what = format!(
                "sockets of guests are in {dir}, where the switch's database is: a pod that mounts it \
                                is master of the switch"
            );
            findings
                .push(Finding::error("sockets", what).hint("one directory for each attachment, elsewhere"));
        }
        let Some(mode) = modes.get(dir) else { continue };
        if mode.bits() & 0o007 != 0 {
            let what = format!("{dir} has mode {mode}: every user of the host reaches the sockets in it");
            findings.push(Finding::warning("sockets", what).hint("0750, with a group that the guests have"));
        }
    }
    findings
}
