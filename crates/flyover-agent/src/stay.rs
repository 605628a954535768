//! The pod's first process stays among the pod's own mounts, and the agent, which leaves them, is its child.
//!
//! Why: whoever runs a command in the pod is put where its first process is, and has to find the image's programs there.
//!
//! Invariant: the two end together. What ends the pod is handed on, and what ends the agent ends the pod.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitCode};

use anyhow::Context as _;
use flyover_host::cmd::Cmd;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// The argument by which the agent knows that it is the child.
const MOVES: &str = "--moves";
/// What ends the pod.
const ENDS: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

/// Starts the agent with the same arguments, and waits until it ends.
pub(crate) fn stay() -> anyhow::Result<ExitCode> {
    let mut heard = SigSet::empty();
    ENDS.iter().chain(&[Signal::SIGCHLD]).for_each(|signal| heard.add(*signal));
    // Before the child is there: nothing that comes from now on is lost.
    heard.thread_block().context("failed to block signals")?;
    let mut child = begin()?;
    loop {
        if let Some(status) = child.try_wait().context("failed to wait for the agent")? {
            let code = status.code().or_else(|| Some(128 + status.signal()?));
            return Ok(code
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from));
        }
        let signal = heard.wait().context("failed to wait for a signal")?;
        if ENDS.contains(&signal) {
            let id = i32::try_from(child.id()).context("the kernel's ids are positive and small")?;
            // It may have ended meanwhile, which is what is wanted.
            let _gone = kill(Pid::from_raw(id), signal);
        }
    }
}

fn begin() -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("failed to find this program's own file")?;
    let log = std::io::stderr().as_fd().try_clone_to_owned().context("failed to hand on the log")?;
    Ok(Cmd::new(program).args([MOVES]).args(std::env::args_os().skip(1)).daemon(File::from(log))?)
}

/// In the child: hears again what the first process keeps from itself, and ends when that does, however it ends.
pub(crate) fn be_child() -> anyhow::Result<()> {
    SigSet::all().thread_unblock().context("failed to unblock signals")?;
    prctl::set_pdeathsig(Signal::SIGTERM).context("failed to ask for the parent's end")
}
