//! The process between a pod that connects and the switch, which connects too.
//!
//! Why: a socket that the switch itself serves is another one after each restart of the switch, and every pod loses its
//! link. The broker outlives the switch, and replays to it what the pod set up.
//!
//! Invariants: only a process whose number and start, or whose whole command line and user, is the broker's is ever
//! signalled; a broker whose number was never written down, or before the machine was started again, is still found.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyover_host::cmd::Cmd;
use flyover_host::groups;
use flyover_host::live::Live;
use flyover_host::pidfd::Pidfd;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use crate::error::{CniError, Code};
use crate::failpoint;

/// How the executable is told to be a broker.
pub const WORD: &str = "broker";

/// What a broker says when both its sockets are there.
pub const READY: &str = "ready";

/// How long a broker has until its socket is there, and to end.
const LIMIT: Duration = Duration::from_secs(5);

/// A running broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// When it was started.
    pub started: u64,
}

/// Starts a broker between two sockets, and waits until it has made both.
pub fn start(program: &Path, front: &Path, back: &Path) -> Result<Running, CniError> {
    launch(program, front, back).map_err(|e| {
        CniError::new(Code::Socket, format!("failed to start the broker of `{}`", front.display()))
            .because(&e)
    })
}

fn launch(program: &Path, front: &Path, back: &Path) -> io::Result<Running> {
    // What it says goes into a pipe that we hold the other end of: a word when it is ready, the end when it died.
    let (said, say) = pipe2(OFlag::O_CLOEXEC)?;
    failpoint::before("start a broker");
    let command = Cmd::new(program).args([Path::new(WORD), front, back]);
    let child = command.daemon(File::from(say)).map_err(io::Error::other)?;
    // It is the pod's, and not the runtime's or the agent's that starts it.
    groups::leave(&Live::host(), child.id());
    let limit = PollTimeout::try_from(LIMIT).map_err(io::Error::other)?;
    let mut heard = [PollFd::new(said.as_fd(), PollFlags::POLLIN)];
    if poll(&mut heard, limit)? == 0 {
        return Err(io::Error::other(format!("it is not ready after {LIMIT:?}")));
    }
    let mut word = [0; 512];
    let length = File::from(said).read(&mut word)?;
    let word = String::from_utf8_lossy(&word[..length]);
    match (word.trim_end(), started(child.id())) {
        (READY, Some(started)) => Ok(Running { pid: child.id(), started }),
        (said, _) => Err(io::Error::other(if said.is_empty() { "it died" } else { said }.to_owned())),
    }
}

/// Whether a broker still runs.
#[must_use]
pub fn runs(broker: Running) -> bool {
    started(broker.pid) == Some(broker.started)
}

/// Ends every broker whose socket for the pod lies below a directory: the one that was written down, else those that were not.
pub fn end(directory: &Path, known: Option<Running>) -> Result<(), CniError> {
    let known = known.filter(|known| runs(*known));
    let all = known.map_or_else(|| find(directory), |known| vec![known]);
    all.into_iter().try_for_each(|broker| {
        kill(broker).map_err(|e| {
            CniError::new(Code::Socket, format!("failed to end the broker of `{}`", directory.display()))
                .because(&e)
        })
    })
}

/// Brokers of a directory, by their command line. Anybody may choose one; ours are root's.
#[must_use]
pub fn find(directory: &Path) -> Vec<Running> {
    let same = |words: &[PathBuf]| matches!(words, [_, word, front, _] if word == Path::new(WORD) && front.starts_with(directory));
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let brokers = pids.filter(|pid| same(&command_line(*pid)) && is_roots(*pid));
    brokers.filter_map(|pid| Some(Running { pid, started: started(pid)? })).collect()
}

/// Whether root runs a process, and not only its program.
fn is_roots(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    users.is_some_and(|users| users.split_ascii_whitespace().all(|user| user == "0"))
}

fn command_line(pid: u32) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    bytes.split(|byte| *byte == 0).map(|word| std::ffi::OsString::from_vec(word.to_vec()).into()).collect()
}

/// When a process was started; none if it has ended, also where nobody has waited for it yet.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut after_name = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = after_name.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    after_name.nth(18)?.parse().ok()
}

fn kill(broker: Running) -> io::Result<()> {
    let Some(process) = Pidfd::open(broker.pid)? else { return Ok(()) };
    // The descriptor is of one process for good; whether it is the one we mean is asked after it was opened.
    if !runs(broker) {
        return Ok(());
    }
    failpoint::before("end a broker");
    process.kill()?;
    let ended = process.ends_within(LIMIT)?;
    if ended { Ok(()) } else { Err(io::Error::other(format!("process {} does not end", broker.pid))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_start_and_only_it_is_ended() {
        let null = || File::options().write(true).open("/dev/null").unwrap();
        let nowhere = Path::new("/nonexistent");
        let mut child = Cmd::new("sleep").args(["60"]).daemon(null()).unwrap();
        let running = Running { pid: child.id(), started: started(child.id()).unwrap() };
        assert!(runs(running));
        assert!(find(nowhere).is_empty());
        let other = Running { started: running.started + 1, ..running };
        end(nowhere, Some(other)).unwrap();
        assert!(runs(running));
        end(nowhere, Some(running)).unwrap();
        assert!(!runs(running));
        child.wait().unwrap();
    }

    mod root {
        //! Tests that become another user.

        use std::os::unix::fs::PermissionsExt;
        use std::time::Instant;

        use super::*;

        #[test]
        fn who_is_not_root_is_no_broker_whatever_its_command_line_says() {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            std::fs::set_permissions(at, PermissionsExt::from_mode(0o755)).unwrap();
            std::fs::write(at.join(WORD), "while :; do sleep 0.1; done").unwrap();
            let found = |user: &str| {
                let null = File::options().write(true).open("/dev/null").unwrap();
                let user =
                    [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()];
                let command = Cmd::new("env").args([Path::new("-C"), at, Path::new("setpriv")]).args(user);
                let command = command.args([Path::new("sh"), Path::new(WORD), &at.join("s"), Path::new("b")]);
                let mut child = command.daemon(null).unwrap();
                let end = Instant::now() + LIMIT;
                while command_line(child.id()).first() != Some(&PathBuf::from("sh")) && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let found = find(at).iter().map(|broker| broker.pid == child.id()).collect::<Vec<_>>();
                child.kill().unwrap();
                child.wait().unwrap();
                found
            };
            assert_eq!([found("0"), found("65534")], [vec![true], vec![]]);
        }
    }
}
