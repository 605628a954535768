//! Which process is a daemon of a switch, and since when.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyover_core::{HostPath, SwitchAt};
use flyover_ovs::{OvsError, unixctl};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::root::HostRoot;

/// A daemon that listens on its control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Its process, as this one counts them; zero where it is outside of what this one sees.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since the boot; none where that is not to be seen.
    pub started: Option<u64>,
    /// Its control socket.
    pub control: HostPath,
    socket: PathBuf,
}

impl Daemon {
    /// Runs one of its commands.
    pub fn ask(&self, command: &str, arguments: &[&str], limit: Duration) -> Result<String, OvsError> {
        unixctl::ask(&self.socket, command, arguments, limit)
    }

    /// Whether the process is still this one, and runs.
    #[must_use]
    pub fn is_alive(&self, host: &HostRoot) -> bool {
        match self.started {
            Some(started) => started_at(host, self.pid) == Some(started),
            None => listener(&self.socket).is_some(),
        }
    }
}

/// The `ovs-vswitchd` of a switch, if it runs.
#[must_use]
pub fn vswitchd(host: &HostRoot, at: &SwitchAt) -> Option<Daemon> {
    find(host, &at.rundir, "ovs-vswitchd")
}

/// The `ovsdb-server` of a switch, if it runs.
#[must_use]
pub fn ovsdb_server(host: &HostRoot, at: &SwitchAt) -> Option<Daemon> {
    find(host, &at.rundir, "ovsdb-server")
}

fn find(host: &HostRoot, rundir: &HostPath, name: &str) -> Option<Daemon> {
    // The one without a number is of daemons that Flyover starts.
    let pid = rundir.join(&format!("{name}.pid")).ok().and_then(|path| host.text(&path));
    let names = [Some(format!("{name}.ctl")), pid.map(|pid| format!("{name}.{pid}.ctl"))];
    let controls = names.into_iter().flatten().filter_map(|name| rundir.join(&name).ok());
    controls.filter(|control| host.exists(control)).find_map(|control| {
        let socket = host.path(&control);
        let pid = listener(&socket)?;
        Some(Daemon { pid, started: started_at(host, pid), control, socket })
    })
}

/// Processes that were started as that daemon, whether or not they listen yet: who starts one may be killed before it does.
pub(crate) fn started_as(host: &HostRoot, at: &SwitchAt, name: &str) -> Vec<Daemon> {
    let Ok(control) = at.rundir.join(&format!("{name}.ctl")) else { return Vec::new() };
    let socket = host.path(&control);
    let word = format!("--unixctl={}", socket.display());
    let of = |pid: &String| {
        let path = |file: &str| HostPath::fixed("/proc").join(&format!("{pid}/{file}")).ok();
        let has_word = host.text(&path("cmdline")?)?.split('\0').any(|each| each == word);
        let program = host.link_name(&path("exe")?)?;
        // The tools that become it.
        let is_it = program.starts_with(name) || matches!(program.as_str(), "env" | "coreutils" | "nsenter");
        let pid: u32 = pid.parse().ok()?;
        let daemon = || Daemon {
            pid,
            started: started_at(host, pid),
            control: control.clone(),
            socket: socket.clone(),
        };
        (has_word && is_it).then(daemon)
    };
    let numbers =
        host.names_like(&HostPath::fixed("/proc"), &|name| name.bytes().all(|b| b.is_ascii_digit()));
    numbers.iter().filter_map(of).filter(|daemon| daemon.started.is_some()).collect()
}

/// The process that listens on a socket.
fn listener(socket: &Path) -> Option<u32> {
    let stream = UnixStream::connect(socket).ok()?;
    u32::try_from(getsockopt(&stream, PeerCredentials).ok()?.pid()).ok()
}

/// When a process started, in ticks since the boot; none where there is none, or it has ended and nobody took note.
fn started_at(host: &HostRoot, pid: u32) -> Option<u64> {
    let text = host.text(&HostPath::fixed(&format!("/proc/{pid}/stat")))?;
    // The name, in parentheses, may hold anything; fields are counted from behind it, the state being the third.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // The first thread may be gone while others hold on to files, and their locks.
    let is_last = fields.get(20 - 3).and_then(|threads| threads.parse::<u32>().ok()).is_none_or(|n| n <= 1);
    if matches!(fields.first(), Some(&("Z" | "X"))) && is_last {
        return None;
    }
    fields.get(22 - 3)?.parse().ok()
}
