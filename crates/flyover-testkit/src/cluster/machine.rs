//! A machine of the rig: a set of namespaces of its own with a first process that holds them.
//!
//! Invariants: what runs in a machine dies with its first process, so a power failure is one signal. Who the first process
//! is stands in the machine's folder, so another program can enter or end it; an id that was given to another process
//! since is not taken for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use flyover_host::cmd::{Cmd, Ended};
use flyover_net::netns::Netns;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::groups::Groups;
use crate::process::Process;

/// What the first process is made by.
const SCRIPT: &str = include_str!("machine.sh");

/// From the start of the first process until its file systems are there.
const BOOT: Duration = Duration::from_secs(180);
/// From a signal until its process is gone.
const END: Duration = Duration::from_secs(120);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(10);

/// Enters the control groups it is given, then becomes what is asked for. That has to be done from without: who sees a
/// part of the tree only cannot leave what it does not see.
const JOIN: &str =
    r#"until [ "$1" = -- ]; do echo 0 >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@""#;
/// Starts a daemon and notes who it is.
const BEGIN: &str =
    r#"name=$0 log=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null & echo $! >"/run/rig/$name""#;
/// Ends a daemon; one that does not run is no error.
const STOP: &str = r#"[ -e "/run/rig/$0" ] || exit 0; id=$(cat "/run/rig/$0"); kill -s "$1" "$id" 2>/dev/null || exit 0
for look in $(seq 2000); do kill -0 "$id" 2>/dev/null || exit 0; sleep 0.01; done; exit 1"#;

/// A machine, running or not.
#[derive(Debug)]
pub(super) struct Machine {
    /// Its network namespace, and its groups.
    pub(super) full_name: String,
    folder: PathBuf,
    groups: Groups,
    /// The first process, if it is to die with this program.
    owned: Mutex<Option<Process>>,
}

impl Machine {
    /// A machine of that name; nothing is changed.
    pub(super) fn new(full_name: &str, folder: &Path, groups: Groups) -> Self {
        Self { full_name: full_name.into(), folder: folder.into(), groups, owned: Mutex::new(None) }
    }

    /// Starts it, in its network namespace, which is there already. `kept` is one that outlives this program.
    pub(super) fn boot(&self, name: &str, pause: &Path, kept: bool) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.groups.create()?;
        let (script, ready) = (self.folder.join("machine.sh"), self.folder.join("ready"));
        fs::write(&script, SCRIPT)?;
        let _old = fs::remove_file(&ready);
        let first = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"];
        let mut command: Vec<String> = ["env", "-C"].map(str::to_owned).into();
        command.push(self.folder.display().to_string());
        command.extend(first.map(str::to_owned));
        command.extend(["sh".into(), script.display().to_string(), name.into(), pause.display().to_string()]);
        command.extend(self.groups.arguments());
        let outer = self.start(&command, kept)?;
        let deadline = Instant::now() + BOOT;
        while !ready.exists() {
            ensure!(alive(outer), "{name} did not boot; see `{}`", self.log("machine").display());
            ensure!(Instant::now() < deadline, "{name} has not booted within {BOOT:?}");
            thread::sleep(LOOK);
        }
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))?;
        let init: u32 = children.trim().parse().with_context(|| format!("{name} has no first process"))?;
        fs::write(self.folder.join("init"), format!("{init} {}", start_of(init).context("it is gone")?))?;
        Ok(())
    }

    fn start(&self, command: &[String], kept: bool) -> anyhow::Result<u32> {
        let log = self.log("machine");
        fs::create_dir_all(log.parent().expect("a log has a folder"))?;
        if kept {
            let output = File::options().create(true).append(true).open(&log)?;
            let command = Cmd::new(&command[0]).args(&command[1..]);
            return Ok(Netns::named(&self.full_name)?.run(|| command.daemon(output))??.id());
        }
        let process = Process::start(&self.full_name, command, Some(&self.full_name), &log)?;
        let id = process.id();
        *self.owned.lock().expect("nobody panics with it") = Some(process);
        Ok(id)
    }

    /// Where a daemon's log is.
    pub(super) fn log(&self, daemon: &str) -> PathBuf {
        self.folder.join("log").join(format!("{daemon}.log"))
    }

    /// Its first process, if it runs.
    pub(super) fn init(&self) -> Option<u32> {
        let record = fs::read_to_string(self.folder.join("init")).ok()?;
        let (id, start) = record.split_once(' ')?;
        let id = id.parse().ok()?;
        (start_of(id)? == start.parse::<u64>().ok()?).then_some(id)
    }

    /// A command that will run inside, in all its namespaces and groups; with `network` in its network too.
    fn inside(&self, network: bool, command: &[&str]) -> anyhow::Result<Cmd> {
        let init = self.init().with_context(|| format!("{} does not run", self.full_name))?;
        let enter = ["--mount", "--uts", "--ipc", "--pid", "--cgroup"];
        let enter = Cmd::new("sh")
            .args(["-c", JOIN, "sh"])
            .args(self.groups.homes())
            .args(["--", "nsenter", &format!("--target={init}")])
            .args(enter);
        let enter = if network { enter.args(["--net"]) } else { enter };
        Ok(enter.args(["--"]).args(command))
    }

    /// Runs a command inside to its end.
    pub(super) fn run(&self, command: &[&str], input: &[u8], limit: Duration) -> anyhow::Result<String> {
        Ok(self.inside(true, command)?.stdin(input).timeout(limit).run()?)
    }

    /// The same, whatever it says.
    pub(super) fn end_of(&self, command: &[&str], limit: Duration) -> anyhow::Result<Ended> {
        Ok(self.inside(true, command)?.timeout(limit).end()?)
    }

    /// Runs a command inside on this program's own standard streams.
    pub(super) fn foreground(&self, command: &[String]) -> anyhow::Result<ExitStatus> {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        Ok(self.inside(true, &command)?.foreground()?)
    }

    /// Starts a daemon inside; without `network` it stays in the caller's, and dies with the machine all the same.
    pub(super) fn begin(&self, name: &str, command: &[String], network: bool) -> anyhow::Result<()> {
        ensure!(!self.runs(name)?, "{name} runs already in {}", self.full_name);
        let log = self.log(name).display().to_string();
        let mut all = vec!["sh", "-c", BEGIN, name, &log];
        all.extend(command.iter().map(String::as_str));
        self.inside(network, &all)?.run()?;
        Ok(())
    }

    /// Ends a daemon and waits until it is gone.
    pub(super) fn end(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        let signal = signal.as_str().trim_start_matches("SIG");
        let stop = self.inside(true, &["sh", "-c", STOP, name, signal])?.timeout(END);
        stop.run().map(drop).with_context(|| format!("{name} of {} has not ended", self.full_name))
    }

    /// Whether a daemon runs.
    pub(super) fn runs(&self, name: &str) -> anyhow::Result<bool> {
        let look = r#"[ -e "/run/rig/$0" ] && kill -0 "$(cat "/run/rig/$0")" 2>/dev/null"#;
        Ok(self.end_of(&["sh", "-c", look, name], END)?.status.success())
    }

    /// Cuts its power: every process in it is killed, and its groups go as they would with a reboot.
    pub(super) fn kill(&self) -> anyhow::Result<()> {
        if let Some(init) = self.init() {
            let id = i32::try_from(init).expect("the kernel's ids are positive and small");
            kill(Pid::from_raw(id), Signal::SIGKILL)
                .with_context(|| format!("failed to kill {}", self.full_name))?;
            let deadline = Instant::now() + END;
            while self.init().is_some() {
                if Instant::now() > deadline {
                    bail!("{} still runs {END:?} after it was killed", self.full_name);
                }
                thread::sleep(LOOK);
            }
        }
        // What waits for the first process ends with it.
        self.owned.lock().expect("nobody panics with it").take();
        self.groups.remove()
    }
}

/// When a process began, by the kernel's clock; nothing if it is gone, or dead and not yet buried.
pub(super) fn start_of(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before may hold anything, but the last bracket closes it.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?;
    (state != "Z" && state != "X").then(|| rest.nth(18)?.parse().ok())?
}

fn alive(id: u32) -> bool {
    start_of(id).is_some()
}
