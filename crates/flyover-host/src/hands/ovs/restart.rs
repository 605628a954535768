//! That a switch was started with its options: a restart where that is not so, and none where it is.
//!
//! Going back is special: the options come back one by one, after the restart that brought them. So undoing a restart does
//! nothing in its turn, and [`settle_starts`] makes one at the end if one is needed.

use std::collections::BTreeSet;
use std::time::Instant;

use flyover_core::{Action, Keeper, OvsRestart, Strings, SwitchAt};
use flyover_ovs::tables::OpenVswitch;
use flyover_ovs::{Mutation, Rows, Transaction};

use super::{Change, QUICK, SLOW, because, no_row, process};
use crate::hands::Hand;
use crate::ovs::{LogMark, PENDING, Snapshot, connect, is_pending, outwait, snapshot, vswitchd};
use crate::root::{HostError, HostRoot};

/// Whether a value of `dpdk-init` asks for DPDK in any case.
fn requires_dpdk(options: &Strings) -> bool {
    options.get("dpdk-init").is_some_and(|init| init == "true")
}

fn look(host: &HostRoot, at: &SwitchAt) -> Result<(Snapshot, OpenVswitch), HostError> {
    let found = snapshot(&mut connect(host, at, QUICK)?)?;
    let row = found.switch.clone().ok_or_else(|| no_row(at))?;
    Ok((found, row))
}

/// Whether the running daemon was started with the options the database has now.
fn is_started_with(wish: &OvsRestart, host: &HostRoot, row: &OpenVswitch) -> bool {
    // Others restart it when they want to; `verify` tells that it waits.
    if wish.switch.keeper == Keeper::Others {
        return true;
    }
    let started =
        vswitchd(host, &wish.switch).is_some_and(|daemon| !is_pending(host, &row.external_ids, &daemon));
    started && (row.dpdk_initialized || !requires_dpdk(&wish.options))
}

fn are_set(wish: &OvsRestart, row: &OpenVswitch) -> bool {
    wish.options.iter().all(|(key, value)| row.other_config.get(key) == Some(value))
}

impl Hand for OvsRestart {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        look(host, &self.switch).map(drop)
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        let (_, row) = look(host, &self.switch)?;
        let in_force = are_set(self, &row) && is_started_with(self, host, &row);
        let options = if in_force { self.options.clone() } else { Strings::new() };
        Ok(Action::OvsRestart(Self { switch: self.switch.clone(), options }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        let (_, row) = look(host, &self.switch)?;
        Ok(are_set(self, &row) && is_started_with(self, host, &row))
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let (found, row) = look(host, &self.switch)?;
        if is_started_with(self, host, &row) {
            return forget(host, &self.switch);
        }
        let log = LogMark::now(host, &self.switch);
        restart(host, &self.switch, &row)?;
        come_back(host, &self.switch, &found)?;
        let (_, row) = look(host, &self.switch)?;
        if requires_dpdk(&self.options) && !row.dpdk_initialized {
            return Err(HostError::Daemon(format!("DPDK does not run after the restart{}", because(&log))));
        }
        forget(host, &self.switch)
    }
}

/// Stops the daemon and starts it, by whatever keeps it.
fn restart(host: &HostRoot, at: &SwitchAt, row: &OpenVswitch) -> Result<(), HostError> {
    tracing::info!(switch = %at.rundir, "ovs-vswitchd is restarted");
    match &at.keeper {
        Keeper::Unit(unit) => {
            outwait(host, &row.external_ids);
            host.run("systemctl", &["restart", unit.as_str()], SLOW).map(drop)
        }
        Keeper::Flyover(processes) => {
            process::stop_vswitchd(host, at, process::Parting::Restarts)?;
            outwait(host, &row.external_ids);
            process::start_vswitchd(host, at, processes)
        }
        Keeper::Others => Ok(()),
    }
}

/// Starts a daemon that ended.
pub(super) fn start_again(host: &HostRoot, at: &SwitchAt) -> Result<(), HostError> {
    if vswitchd(host, at).is_some() {
        return Ok(());
    }
    outwait(host, &look(host, at)?.1.external_ids);
    match &at.keeper {
        Keeper::Unit(unit) => host.run("systemctl", &["start", unit.as_str()], SLOW).map(drop),
        Keeper::Flyover(processes) => process::start_vswitchd(host, at, processes),
        Keeper::Others => Ok(()),
    }
}

/// Waits until the daemon has made everything anew, and looks whether the ports that were there are there again.
fn come_back(host: &HostRoot, at: &SwitchAt, before: &Snapshot) -> Result<(), HostError> {
    let end = Instant::now() + SLOW;
    let log = LogMark::now(host, at);
    while vswitchd(host, at).is_none() {
        if Instant::now() > end {
            return Err(HostError::Daemon(format!("ovs-vswitchd did not come back{}", because(&log))));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let what = "come back after its restart".to_owned();
    Change { host, at, what, limit: SLOW }.make(|_| Ok(Transaction::default()))?;
    let (now, _) = look(host, at)?;
    let stood = |name: &str| {
        before
            .interfaces
            .iter()
            .any(|interface| interface.name == name && interface.ofport.is_some_and(|n| n > 0))
    };
    let lost: Vec<String> = now
        .interfaces
        .iter()
        .filter(|interface| stood(&interface.name) && interface.ofport.is_none_or(|n| n < 0))
        .map(|interface| {
            format!("{} ({})", interface.name, interface.error.as_deref().unwrap_or("without a word"))
        })
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(HostError::Daemon(format!("ports did not come back after the restart: {}", lost.join(", "))))
}

/// Takes the note away that a restart is waited for.
fn forget(host: &HostRoot, at: &SwitchAt) -> Result<(), HostError> {
    let noted =
        |found: &Snapshot| found.switch.as_ref().is_some_and(|row| row.external_ids.contains_key(PENDING));
    let transaction = |found: &Snapshot| {
        let mut transaction = Transaction::default();
        if noted(found) {
            let mutations = Mutation::set_key("external_ids", PENDING, None);
            transaction.mutate("Open_vSwitch", &[], &mutations, Rows::Exactly(1));
        }
        Ok(transaction)
    };
    let (found, _) = look(host, at)?;
    if at.keeper == Keeper::Others || !noted(&found) {
        return Ok(());
    }
    Change { host, at, what: "note the restart".to_owned(), limit: QUICK }.make(transaction)
}

/// After subjects were put back: restarts the switches whose options came back after their start. What could not be
/// restarted is told with the reason.
pub(crate) fn settle_starts<'a>(
    host: &HostRoot,
    put_back: impl Iterator<Item = &'a Action>,
) -> Vec<(Action, HostError)> {
    let mut switches: Vec<(&SwitchAt, bool)> = Vec::new();
    let mut seen = BTreeSet::new();
    for action in put_back {
        let (at, restarted) = match action {
            Action::OvsOption(option) => (&option.switch, false),
            Action::OvsRestart(restart) => (&restart.switch, true),
            _ => continue,
        };
        if seen.insert(at.rundir.clone()) {
            switches.push((at, restarted));
        } else if let Some(switch) = switches.iter_mut().find(|(other, _)| other.rundir == at.rundir) {
            switch.1 |= restarted;
        }
    }
    let failed = |(at, restarted): (&SwitchAt, bool)| {
        let error = settle_start(host, at, restarted).err()?;
        Some((Action::OvsRestart(OvsRestart { switch: at.clone(), options: Strings::new() }), error))
    };
    switches.into_iter().filter_map(failed).collect()
}

/// A daemon that did not run before is left so, unless it was us who restarted it.
fn settle_start(host: &HostRoot, at: &SwitchAt, restarted: bool) -> Result<(), HostError> {
    let runs = vswitchd(host, at).is_some();
    if connect(host, at, QUICK).is_err() {
        return Ok(());
    }
    if !runs && !restarted {
        return forget(host, at);
    }
    if at.keeper == Keeper::Others {
        tracing::warn!(switch = %at.rundir, "the switch keeps its old options until somebody restarts it");
        return Ok(());
    }
    OvsRestart { switch: at.clone(), options: Strings::new() }.act(host)
}
