//! The processes of a switch that Flyover keeps: started in their network namespace, stopped by word, then by signal.
//!
//! Invariant: a process is signalled only while it is the one that listened on the switch's control socket: its number and
//! its start are those that were seen, and its program is the daemon's.

use std::time::{Duration, Instant};

use flyover_core::{HostPath, Processes, SwitchAt};
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

/// Where a network namespace has its name.
pub(super) fn netns_path(name: &str) -> HostPath {
    HostPath::fixed("/run/netns").join(name).expect("names of namespaces were checked")
}

/// Starts `ovsdb-server`.
pub(super) fn start_ovsdb_server(
    host: &HostRoot,
    at: &SwitchAt,
    processes: &Processes,
) -> Result<(), HostError> {
    let real = |path: &HostPath| host.path(path).display().to_string();
    let program = [
        real(&processes.ovsdb_server),
        real(&processes.file),
        format!("--remote=punix:{}", real(&at.database)),
    ];
    start(host, at, "ovsdb-server", command(host, processes, program))
}

/// Starts `ovs-vswitchd`. When it has started its first configuration is carried out, DPDK among it.
pub(super) fn start_vswitchd(host: &HostRoot, at: &SwitchAt, processes: &Processes) -> Result<(), HostError> {
    let real = |path: &HostPath| host.path(path).display().to_string();
    // Without `--disable-system` it would take over a datapath of the kernel that another switch may use.
    let program =
        [real(&processes.vswitchd), format!("unix:{}", real(&at.database)), "--disable-system".to_owned()];
    let log = LogMark::now(host, at);
    start(host, at, "ovs-vswitchd", command(host, processes, program)).map_err(|error| match error {
        HostError::Command(error) => {
            HostError::Daemon(format!("ovs-vswitchd does not start: {error}{}", because(&log)))
        }
        other => other,
    })
}

/// A program and its own arguments, in the network namespace it is to run in.
fn command(host: &HostRoot, processes: &Processes, program: [String; 3]) -> Vec<String> {
    let within = processes.netns.iter().flat_map(|netns| {
        ["nsenter".to_owned(), format!("--net={}", host.path(&netns_path(netns)).display())]
    });
    within.chain(program).collect()
}

fn start(host: &HostRoot, at: &SwitchAt, name: &str, command: Vec<String>) -> Result<(), HostError> {
    end_strays(host, at, name)?;
    let rundir = host.path(&at.rundir).display().to_string();
    let file = |ending: &str| format!("{rundir}/{name}.{ending}");
    // DPDK keeps its files where the last of them says, and two switches would meet in /run/dpdk.
    let directories = ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "RUNTIME_DIRECTORY"];
    let mut words: Vec<String> = directories.iter().map(|key| format!("{key}={rundir}")).collect();
    words.extend(command);
    words.extend([
        format!("--pidfile={}", file("pid")),
        format!("--unixctl={}", file("ctl")),
        format!("--log-file={}", file("log")),
    ]);
    words.extend(["-vconsole:off", "--no-chdir", "--detach"].map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    host.run("env", &words, SLOW)?;
    // Also where an agent in a container started it, it is the host's.
    started_as(host, at, name).iter().for_each(|daemon| groups::leave(host, daemon.pid));
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
