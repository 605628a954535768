//! The daemons of a switch that Flyover keeps, their run directory and their database.
//!
//! The run directory is open to all for passing through, as far as the umask lets it be: QEMU and pods reach sockets below
//! it. What is private there, the database and the control sockets, the daemons make private themselves.
//!
//! Invariant: a database that was there before is never taken away, nor anything else that was.

use std::time::Duration;

use flyover_core::{Action, HostPath, Keeper, OvsDaemons, Processes, SwitchAt};
use flyover_ovs::{Row, Transaction};

use super::process::{Parting, below, start_ovsdb_server, start_vswitchd, stop_ovsdb_server, stop_vswitchd};
use super::{QUICK, before, refused};
use crate::hands::file::missing_above;
use crate::hands::{Hand, has_room};
use crate::ovs::{connect, failed, ovsdb_server, snapshot, vswitchd};
use crate::root::{HostError, HostRoot};

/// The longest path of a socket; the kernel cuts off what is behind it.
const SOCKET_PATH: usize = 107;

/// What the daemons make in their run directory besides the database, and what belongs to it.
const MADE: [&str; 7] = [
    "ovsdb-server.pid",
    "ovsdb-server.ctl",
    "ovsdb-server.log",
    "ovs-vswitchd.pid",
    "ovs-vswitchd.ctl",
    "ovs-vswitchd.log",
    DPDK,
];

/// DPDK's own directory there.
const DPDK: &str = "dpdk";

fn processes(daemons: &OvsDaemons) -> Result<&Processes, HostError> {
    match &daemons.switch.keeper {
        Keeper::Flyover(processes) => Ok(processes),
        Keeper::Unit(_) | Keeper::Others => Err(HostError::Unsupported(format!(
            "the daemons of `{}` are not Flyover's to start",
            daemons.switch.rundir
        ))),
    }
}

fn lock_of(file: &HostPath) -> Option<HostPath> {
    let name = file.as_str().rsplit('/').next()?;
    file.parent()?.join(&format!(".{name}.~lock~")).ok()
}

/// What is not there of all that starting makes, what is in a directory before it.
fn absent(host: &HostRoot, at: &SwitchAt, processes: &Processes) -> Vec<HostPath> {
    let mut files: Vec<HostPath> = MADE.iter().map(|name| below(at, name)).collect();
    files.extend(lock_of(&processes.file));
    files.extend([processes.file.clone(), at.database.clone()]);
    files.retain(|path| !host.exists(path));
    let mut directories: Vec<HostPath> = Vec::new();
    for directory in [Some(at.rundir.clone()), processes.file.parent(), at.database.parent()] {
        let Some(directory) = directory.filter(|directory| !host.exists(directory)) else { continue };
        directories.extend(missing_above(host, &directory));
        directories.push(directory);
    }
    // What is below a directory sorts behind it.
    directories.sort_unstable_by(|one, other| other.cmp(one));
    directories.dedup();
    [files, directories].concat()
}

fn is_wiped(host: &HostRoot, file: &HostPath) -> bool {
    host.path(file).metadata().map_or(true, |meta| meta.len() == 0)
}

fn make_database(host: &HostRoot, processes: &Processes) -> Result<(), HostError> {
    if !is_wiped(host, &processes.file) {
        return Ok(());
    }
    host.remove_file(&processes.file)?;
    let real = |path: &HostPath| host.path(path).display().to_string();
    host.run("ovsdb-tool", &["create", &real(&processes.file), &real(&processes.schema)], QUICK).map(drop)
}

/// A new database has no row for the switch, and daemons that wait for one do nothing.
fn make_row(host: &HostRoot, at: &SwitchAt) -> Result<(), HostError> {
    let mut client = connect(host, at, QUICK)?;
    if snapshot(&mut client)?.switch.is_some() {
        return Ok(());
    }
    before(host, at, "make the row of the switch")?;
    let mut transaction = Transaction::default();
    transaction.only_if_none("Open_vSwitch", &[], "somebody else made the row");
    transaction.insert("Open_vSwitch", &Row::new());
    client.transact(&transaction).map(drop).map_err(failed("make the row of the switch"))
}

fn start(host: &HostRoot, at: &SwitchAt, processes: &Processes) -> Result<(), HostError> {
    for directory in [Some(at.rundir.clone()), processes.file.parent(), at.database.parent()] {
        directory.map_or(Ok(()), |directory| host.make_directory(&directory))?;
    }
    if ovsdb_server(host, at).is_none() {
        make_database(host, processes)?;
        start_ovsdb_server(host, at, processes)?;
    }
    make_row(host, at)?;
    if vswitchd(host, at).is_none() { start_vswitchd(host, at, processes) } else { Ok(()) }
}

/// Takes away what was made, and nothing that was there before or that others have put beside it.
fn clear(host: &HostRoot, at: &SwitchAt, absent: &[HostPath]) -> Result<(), HostError> {
    let own_directory = absent.contains(&at.rundir);
    let of_bridges = |name: &str| name.ends_with(".mgmt") || name.ends_with(".snoop");
    if own_directory {
        let names = host.names_like(&at.rundir, &of_bridges);
        names.iter().try_for_each(|name| host.remove_file(&below(at, name)))?;
    }
    for path in absent.iter().filter(|path| host.path(path).symlink_metadata().is_ok()) {
        match host.path(path).symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            true if *path == below(at, DPDK) => remove_tree(host, path)?,
            true => host.remove_empty_directory(path)?,
            false => host.remove_file(path)?,
        }
    }
    Ok(())
}

fn remove_tree(host: &HostRoot, directory: &HostPath) -> Result<(), HostError> {
    for name in host.names(directory) {
        let Ok(path) = directory.join(&name) else { continue };
        match host.path(&path).symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            true => remove_tree(host, &path)?,
            false => host.remove_file(&path)?,
        }
    }
    host.remove_empty_directory(directory)
}

fn check_netns(host: &HostRoot, processes: &Processes) -> Result<(), HostError> {
    let Some(name) = &processes.netns else { return Ok(()) };
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(refused(format!("`{name}` is no name of a network namespace"), "ip netns lists them"));
    }
    if processes.netns_path().is_some_and(|path| !host.exists(&path)) {
        return Err(refused(
            format!("there is no network namespace `{name}`"),
            &format!("make it: ip netns add {name}"),
        ));
    }
    Ok(())
}

fn check_paths(host: &HostRoot, at: &SwitchAt, processes: &Processes) -> Result<(), HostError> {
    for program in [&processes.vswitchd, &processes.ovsdb_server, &processes.schema] {
        if !host.exists(program) {
            return Err(refused(
                format!("there is no `{program}`"),
                "install Open vSwitch with DPDK (Debian: apt install openvswitch-switch-dpdk)",
            ));
        }
    }
    for socket in [below(at, "ovs-vswitchd.ctl"), at.database.clone()] {
        let length = host.path(&socket).as_os_str().len();
        if length > SOCKET_PATH {
            return Err(refused(
                format!("`{socket}` is {length} bytes long, and a socket's path has at most {SOCKET_PATH}"),
                "name a shorter run directory",
            ));
        }
    }
    Ok(())
}

fn both_run(wish: &OvsDaemons, host: &HostRoot) -> bool {
    vswitchd(host, &wish.switch).is_some() && ovsdb_server(host, &wish.switch).is_some()
}

fn has_row(wish: &OvsDaemons, host: &HostRoot) -> bool {
    let found =
        connect(host, &wish.switch, Duration::from_secs(5)).and_then(|mut client| snapshot(&mut client));
    found.is_ok_and(|found| found.switch.is_some())
}

impl Hand for OvsDaemons {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        let processes = processes(self)?;
        if !self.running {
            return Ok(());
        }
        check_paths(host, &self.switch, processes)?;
        check_netns(host, processes)?;
        has_room(host, &self.switch.rundir, 1 << 20)
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        let processes = processes(self)?;
        let running = both_run(self, host);
        let absent = if running { Vec::new() } else { absent(host, &self.switch, processes) };
        Ok(Action::OvsDaemons(Self { switch: self.switch.clone(), running, absent }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        if self.running {
            return Ok(both_run(self, host) && has_row(self, host));
        }
        let none = vswitchd(host, &self.switch).is_none() && ovsdb_server(host, &self.switch).is_none();
        Ok(none)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        if self.running {
            return start(host, &self.switch, processes(self)?);
        }
        stop_vswitchd(host, &self.switch, Parting::ForGood)?;
        stop_ovsdb_server(host, &self.switch)?;
        clear(host, &self.switch, &self.absent)
    }
}
