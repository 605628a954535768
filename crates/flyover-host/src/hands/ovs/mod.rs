//! A switch: its daemons, its options, its bridges and ports.
//!
//! Invariants: each change is one transaction that goes on only if the rows are as they were looked at, else they are looked
//! at again. Where `ovs-vswitchd` runs, a change is done when it has carried it out; a daemon that ends over it is an
//! error, never a wait to the limit.

mod bridge;
mod daemons;
mod edit;
mod option;
mod port;
mod process;
mod restart;

use std::time::{Duration, Instant};

use flyover_core::SwitchAt;
use flyover_ovs::tables::OpenVswitch;
use flyover_ovs::{Client, OvsError, Transaction};

use super::{QUICK, SLOW, refused};
use crate::ovs::{Daemon, LogMark, Snapshot, connect, failed, snapshot, vswitchd};
use crate::root::{HostError, HostRoot};

pub(crate) use restart::settle_starts;

/// How often a transaction is made anew whose rows others changed meanwhile.
const ATTEMPTS: usize = 16;

/// A change of a switch's database.
struct Change<'a> {
    host: &'a HostRoot,
    at: &'a SwitchAt,
    /// For errors: `set dpdk-init`.
    what: String,
    /// How long `ovs-vswitchd` may take to carry it out.
    limit: Duration,
}

impl Change<'_> {
    /// Makes the change that `build` finds to be made, and waits until it is carried out. A change that was committed
    /// before a crash is waited for, and what `ovs-vswitchd` could not do then it tries again.
    fn make(&self, build: impl Fn(&Snapshot) -> Result<Transaction, HostError>) -> Result<(), HostError> {
        let mut client = connect(self.host, self.at, self.limit)?;
        for _ in 0..ATTEMPTS {
            let mut transaction = build(&snapshot(&mut client)?)?;
            let daemon = vswitchd(self.host, self.at);
            match (&daemon, transaction.is_empty()) {
                (None, true) => return Ok(()),
                (_, false) => before(self.host, self.at, &self.what)?,
                (Some(_), true) => {}
            }
            if daemon.is_some() {
                transaction.ask_to_apply();
            }
            let log = LogMark::now(self.host, self.at);
            match client.transact(&transaction) {
                Err(OvsError::Changed(_)) => continue,
                Err(other) => return Err(failed(&self.what)(other)),
                Ok(committed) => {
                    let waits = daemon.zip(committed.next_cfg());
                    return waits
                        .map_or(Ok(()), |(daemon, next)| self.wait(&mut client, &daemon, next, &log));
                }
            }
        }
        let why = "somebody else changes the switch's database all the time".to_owned();
        Err(failed(&self.what)(OvsError::Changed(why)))
    }

    fn wait(&self, client: &mut Client, daemon: &Daemon, next: i64, log: &LogMark) -> Result<(), HostError> {
        let end = Instant::now() + self.limit;
        let mut pause = Duration::from_millis(1);
        loop {
            let rows: Vec<OpenVswitch> = client.rows(&[]).map_err(failed(&self.what))?;
            if rows.first().is_some_and(|row| row.cur_cfg >= next) {
                return Ok(());
            }
            if !daemon.is_alive(self.host) {
                return Err(HostError::Daemon(format!(
                    "ovs-vswitchd (process {}) ended when it was to {}{}",
                    daemon.pid,
                    self.what,
                    because(log)
                )));
            }
            if Instant::now() > end {
                let what = format!("apply configuration {next}");
                let path = self.host.path(&self.at.database);
                return Err(failed(&self.what)(OvsError::Late { path, what, limit: self.limit }));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// Says that something of a switch changes now.
fn before(host: &HostRoot, at: &SwitchAt, what: &str) -> Result<(), HostError> {
    let told = host.outside().before_change(what);
    told.map_err(|source| HostError::File { verb: "change the switch in", path: at.rundir.clone(), source })?;
    tracing::info!(switch = %at.rundir, what, "switch changed");
    Ok(())
}

/// What the log tells, as the end of a sentence.
fn because(log: &LogMark) -> String {
    log.errors().map_or_else(String::new, |errors| format!("; its log says: {errors}"))
}

/// What only a running `ovs-vswitchd` can do.
fn needs_vswitchd(host: &HostRoot, at: &SwitchAt, what: &str) -> Result<(), HostError> {
    if vswitchd(host, at).is_some() {
        return Ok(());
    }
    let hint = match &at.keeper {
        flyover_core::Keeper::Unit(unit) => format!("start it: systemctl start {unit}"),
        _ => "start it, or name its run directory in `runtime.directory`".to_owned(),
    };
    Err(refused(format!("{what} is made by ovs-vswitchd, and none runs in `{}`", at.rundir), &hint))
}

fn no_row(at: &SwitchAt) -> HostError {
    refused(
        format!("the database at `{}` has no row of Open_vSwitch", at.database),
        "start the switch by its own scripts once, or: ovs-vsctl init",
    )
}
