//! What holds for a switch as a whole.

use super::condition::ConditionType::{DpdkReady, OptionsInForce, Running};
use super::{Condition, Evidence};

pub(super) fn judge(evidence: &Evidence) -> Vec<Condition> {
    vec![running(evidence), dpdk(evidence), options(evidence)]
}

fn running(evidence: &Evidence) -> Condition {
    let row = evidence.snapshot.as_ref().map(|found| found.switch.is_some());
    match (&evidence.daemon, row) {
        (_, None) => Condition::is_not(
            Running,
            "NoDatabase",
            format!("no database answers at {}", evidence.at.database),
        ),
        (_, Some(false)) => {
            Condition::is_not(Running, "EmptyDatabase", "the database has no row of Open_vSwitch")
        }
        (None, _) => {
            Condition::is_not(Running, "NoDaemon", format!("no ovs-vswitchd runs in {}", evidence.at.rundir))
        }
        (Some(daemon), Some(true)) if daemon.version.is_empty() => Condition::is_not(
            Running,
            "Silent",
            format!("ovs-vswitchd runs as process {} and does not answer", daemon.pid),
        ),
        (Some(_), Some(true)) => Condition::is(Running, "Answers"),
    }
}

fn dpdk(evidence: &Evidence) -> Condition {
    let Some(daemon) = &evidence.daemon else { return Condition::unknown(DpdkReady, "NoDaemon", "") };
    let row = evidence.snapshot.as_ref().and_then(|found| found.switch.as_ref());
    let init = row.and_then(|row| row.other_config.get("dpdk-init")).map(String::as_str);
    match (daemon.has_dpdk, daemon.dpdk_initialized, init) {
        (_, true, _) => Condition::is(DpdkReady, "Initialized"),
        (false, ..) => Condition::is_not(
            DpdkReady,
            "WithoutDpdk",
            format!(
                "ovs-vswitchd {} is built without DPDK (Debian: openvswitch-switch-dpdk has it)",
                daemon.version
            ),
        ),
        (true, false, Some("true" | "try")) => Condition::is_not(
            DpdkReady,
            "Failed",
            "DPDK was asked for and does not run; the log of ovs-vswitchd says why",
        ),
        (true, false, _) => Condition::is_not(DpdkReady, "NotAsked", "dpdk-init is not set"),
    }
}

fn options(evidence: &Evidence) -> Condition {
    match (&evidence.daemon, evidence.pending) {
        (None, _) => Condition::unknown(OptionsInForce, "NoDaemon", ""),
        (Some(_), false) => Condition::is(OptionsInForce, "InForce"),
        (Some(_), true) => Condition::is_not(
            OptionsInForce,
            "RestartPending",
            "an option was set that ovs-vswitchd reads at its start only, and it was not restarted since",
        ),
    }
}
