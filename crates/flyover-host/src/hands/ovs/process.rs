//! The processes of a switch that Flyover keeps: started in their network namespace, stopped by word, then by signal.
//!
//! Invariant: a process is signalled only while it is the one that listened on the switch's control socket: its number and
//! its start are those that were seen, and its program is the daemon's.

use std::time::{Duration, Instant};

use flyover_core::{HostPath, Processes, SwitchAt, SwitchDaemon};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LogMark, SLOW, because, before};
use crate::groups;
use crate::ovs::{Daemon, ovsdb_server, started_as, vswitchd};
use crate::root::{HostError, HostRoot};

/// How long a daemon may take to end after each way of asking.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is called so in the run directory.
pub(super) fn below(at: &SwitchAt, name: &str) -> HostPath {
    at.rundir.join(name).expect("a name joins a path")
}

/// Starts `ovsdb-server`.
pub(super) fn start_ovsdb_server(
    host: &HostRoot,
    at: &SwitchAt,
    processes: &Processes,
) -> Result<(), HostError> {
    start(host, at, processes, SwitchDaemon::OvsdbServer)
}

/// Starts `ovs-vswitchd`. When it has started its first configuration is carried out, DPDK among it.
pub(super) fn start_vswitchd(host: &HostRoot, at: &SwitchAt, processes: &Processes) -> Result<(), HostError> {
    let log = LogMark::now(host, at);
    start(host, at, processes, SwitchDaemon::Vswitchd).map_err(|error| match error {
        HostError::Command(error) => {
            HostError::Daemon(format!("ovs-vswitchd does not start: {error}{}", because(&log)))
        }
        other => other,
    })
}

fn start(
    host: &HostRoot,
    at: &SwitchAt,
    processes: &Processes,
    daemon: SwitchDaemon,
) -> Result<(), HostError> {
    end_strays(host, at, daemon.name())?;
    let words = processes.start(at, daemon, |path| host.path(path).display().to_string());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    host.run("env", &words, SLOW)?;
    // Also where an agent in a container started it, it is the host's.
    started_as(host, at, daemon.name()).iter().for_each(|daemon| groups::leave(host, daemon.pid));
    Ok(())
}

/// Whether what a daemon has made goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// Its taps stay, with their addresses, for the next one.
    Restarts,
    /// They go.
    ForGood,
}

/// Ends `ovs-vswitchd`, if it runs.
pub(super) fn stop_vswitchd(host: &HostRoot, at: &SwitchAt, parting: Parting) -> Result<(), HostError> {
    let words: &[&str] = if parting == Parting::ForGood { &["--cleanup"] } else { &[] };
    vswitchd(host, at).map_or(Ok(()), |daemon| stop(host, at, (&daemon, "ovs-vswitchd"), words))?;
    end_strays(host, at, "ovs-vswitchd")
}

/// Ends `ovsdb-server`, if it runs.
pub(super) fn stop_ovsdb_server(host: &HostRoot, at: &SwitchAt) -> Result<(), HostError> {
    ovsdb_server(host, at).map_or(Ok(()), |daemon| stop(host, at, (&daemon, "ovsdb-server"), &[]))?;
    end_strays(host, at, "ovsdb-server")
}

fn stop(
    host: &HostRoot,
    at: &SwitchAt,
    (daemon, name): (&Daemon, &str),
    words: &[&str],
) -> Result<(), HostError> {
    let who = format!("{name} (process {})", daemon.pid);
    before(host, at, &format!("stop {who}"))?;
    // One that does not listen any more gets a signal.
    let asked = daemon.ask("exit", words, PATIENCE);
    if asked.is_ok() && ends(host, daemon) {
        return Ok(());
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if !is_program(host, daemon, name) {
            return Err(HostError::Daemon(format!("{who} is not {name} any more, so it gets no signal")));
        }
        let number = i32::try_from(daemon.pid).unwrap_or_default();
        // One that has just ended is what is wanted.
        let _ = kill(Pid::from_raw(number), signal);
        if ends(host, daemon) {
            return Ok(());
        }
    }
    Err(HostError::Daemon(format!("{who} does not end")))
}

/// Ends what a Flyover that was killed had begun to start, and that does not listen yet.
fn end_strays(host: &HostRoot, at: &SwitchAt, name: &str) -> Result<(), HostError> {
    for stray in started_as(host, at, name) {
        before(host, at, &format!("end {name} (process {}), which was being started", stray.pid))?;
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if stray.is_alive(host) {
                // One that has just ended is what is wanted.
                let _ = kill(Pid::from_raw(i32::try_from(stray.pid).unwrap_or_default()), signal);
                ends(host, &stray);
            }
        }
        if stray.is_alive(host) {
            return Err(HostError::Daemon(format!("{name} (process {}) does not end", stray.pid)));
        }
    }
    Ok(())
}

fn is_program(host: &HostRoot, daemon: &Daemon, name: &str) -> bool {
    let program = host.link_name(&HostPath::fixed(&format!("/proc/{}/exe", daemon.pid)));
    daemon.pid > 1 && daemon.is_alive(host) && program.is_some_and(|program| program.starts_with(name))
}

fn ends(host: &HostRoot, daemon: &Daemon) -> bool {
    let end = Instant::now() + PATIENCE;
    while daemon.is_alive(host) {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
