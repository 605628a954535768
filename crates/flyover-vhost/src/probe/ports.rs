//! The probe's ports in the database, and the directory of their sockets.
//!
//! Invariant: a port is ours only if its `external_ids` say so. They also say which process made it, so that what a dead
//! one left is known from what a living one needs.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use flyover_ovs::tables::{Bridge, Interface, Port, Strings, Table};
use flyover_ovs::transaction::row;
use flyover_ovs::{Atom, Client, Condition, Datum, Mutation, OvsError, Rows, Transaction};

use nix::fcntl::{AtFlags, OFlag};
use nix::unistd::{Gid, Uid, fchownat, geteuid};

use super::{ProbeError, directory, remove_directory};
use crate::error::VhostError;

pub(super) const OWNER: &str = "flyover-probe";
const OWNER_KEY: &str = "flyover-owner";
/// Which run of which process.
const ID_KEY: &str = "flyover-probe";
/// Before the id in the name of a probe's directory.
const DIRECTORY: &str = "probe-";

/// The names of its sockets.
pub(super) const SOCKETS: [&str; 2] = ["a", "b"];

/// Where a probe's sockets are.
#[derive(Debug)]
pub(super) struct Place {
    id: String,
    directory: PathBuf,
    /// The directory itself, whatever lies by its name meanwhile: the one above belongs to the switch's user.
    opened: OwnedFd,
    owner: (u32, u32),
}

impl Place {
    /// A directory beside the database: there the switch finds sockets, whatever namespace it lives in. It stays root's, and
    /// the sockets in it get the database's owner, since a switch may run as a user of its own.
    pub(super) fn new(database: &Path) -> Result<Self, ProbeError> {
        let id =
            format!("{}-{}-{:08x}", process::id(), began(process::id()).unwrap_or(0), rand::random::<u32>());
        let beside = database.parent().unwrap_or(Path::new("/"));
        let path = beside.join(format!("{DIRECTORY}{id}"));
        let meta = fs::metadata(database).map_err(directory("find the owner of", database))?;
        let owner = (meta.uid(), meta.gid());
        fs::DirBuilder::new().mode(0o711).create(&path).map_err(directory("make", &path))?;
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
            .open(&path)
            .map_err(directory("open", &path))?;
        let found = opened.metadata().map_err(directory("look at", &path))?;
        let place = Self { id, directory: path, opened: opened.into(), owner };
        if found.uid() != geteuid().as_raw() {
            let other = std::io::Error::other("it is not the one that was made");
            return Err(directory("open", &place.directory)(other));
        }
        Ok(place)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Where the switch finds them.
    pub(super) fn sockets(&self) -> [PathBuf; 2] {
        SOCKETS.map(|name| self.directory.join(name))
    }

    /// Where they are made.
    pub(super) fn here(&self, socket: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.opened.as_raw_fd())).join(socket)
    }

    /// Gives a socket to whom the switch runs as.
    pub(super) fn give(&self, socket: &str) -> Result<(), VhostError> {
        let owner = (Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)));
        fchownat(&self.opened, socket, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|errno| {
            VhostError::Socket { verb: "give away", path: self.directory.join(socket), source: errno.into() }
        })
    }

    pub(super) fn remove(&self) -> Result<(), ProbeError> {
        remove_directory(&self.directory).map_err(directory("remove", &self.directory))
    }
}

/// Refuses a bridge that is not there, or not in user space.
pub(super) fn check(client: &mut Client, bridge: &str) -> Result<(), ProbeError> {
    let wrong = |what: &str| ProbeError::Bridge { bridge: bridge.to_owned(), what: what.to_owned() };
    let rows = client.rows::<Bridge>(&[Condition::equals("name", bridge)]);
    let rows =
        rows.map_err(|source| ProbeError::Database { verb: "add", bridge: bridge.to_owned(), source })?;
    match rows.first() {
        None => Err(wrong("is not there")),
        Some(row) if row.datapath_type != "netdev" => {
            Err(wrong("is not in user space: its datapath_type is not `netdev`"))
        }
        Some(_) => Ok(()),
    }
}

/// Adds both ports, in one transaction, and waits until the switch has tried to make them.
pub(super) fn add(
    client: &mut Client,
    bridge: &str,
    vlan: Option<u16>,
    place: &Place,
) -> Result<(), OvsError> {
    let mut transaction = Transaction::default();
    transaction.comment("flyover probe: add");
    let ids = || Datum::map([(OWNER_KEY, OWNER), (ID_KEY, place.id())]);
    let tail = place.id.rsplit('-').next().unwrap_or_default();
    for (socket, end) in place.sockets().iter().zip(["a", "b"]) {
        let name = Datum::from(format!("fop{tail}{end}"));
        let path = socket.display().to_string();
        let interface = row([
            ("name", name.clone()),
            ("type", "dpdkvhostuserclient".into()),
            ("options", Datum::map([("vhost-server-path", path)])),
            ("external_ids", ids()),
        ]);
        let interface = transaction.insert(Interface::NAME, &interface);
        let mut port = row([("name", name), ("interfaces", interface.into()), ("external_ids", ids())]);
        port.extend(vlan.map(|vlan| ("tag".to_owned(), i64::from(vlan).into())));
        let port = transaction.insert(Port::NAME, &port);
        let of_bridge = [Condition::equals("name", bridge)];
        transaction.mutate(Bridge::NAME, &of_bridge, &[Mutation::insert("ports", port)], Rows::Exactly(1));
    }
    client.apply(&transaction).map(drop)
}

/// Removes the ports of one probe. Its rows go with the last that names them.
pub(super) fn remove(client: &mut Client, id: &str) -> Result<(), OvsError> {
    let ours = [Condition::includes("external_ids", Datum::map([(OWNER_KEY, OWNER), (ID_KEY, id)]))];
    let ports = client.rows::<Port>(&ours)?;
    let mut transaction = Transaction::default();
    transaction.comment("flyover probe: remove");
    for port in &ports {
        let held = || Datum::from(Atom::Uuid(port.uuid.clone()));
        let holder = [Condition::includes("ports", held())];
        transaction.mutate(Bridge::NAME, &holder, &[Mutation::delete("ports", held())], Rows::Any);
    }
    if ports.is_empty() { Ok(()) } else { client.transact(&transaction).map(drop) }
}

/// Removes what probes left that were killed; gives how many ports that were.
pub fn collect(database: &Path, limit: Duration) -> Result<usize, OvsError> {
    let mut client = Client::connect(database, limit)?;
    let ours = [Condition::includes("external_ids", Datum::map([(OWNER_KEY, OWNER)]))];
    let ids: Vec<Strings> = client.rows::<Port>(&ours)?.into_iter().map(|port| port.external_ids).collect();
    let ids = ids.iter().map(|ids| ids.get(ID_KEY).map_or("", String::as_str));
    let dead: Vec<&str> = ids.filter(|id| !lives(id)).collect();
    dead.iter().try_for_each(|id| remove(&mut client, id))?;
    let beside = fs::read_dir(database.parent().unwrap_or(Path::new("/")));
    for entry in beside.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let left = name.strip_prefix(DIRECTORY).is_some_and(|id| is_id(id) && !lives(id));
        if left && let Err(error) = remove_directory(&entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "a dead probe's directory stays");
        }
    }
    Ok(dead.len())
}

/// Whether a probe may have this id.
fn is_id(id: &str) -> bool {
    let words: Vec<&str> = id.split('-').collect();
    words.len() == 3
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether the process that made a port still runs.
fn lives(id: &str) -> bool {
    let mut words = id.split('-').map(str::parse::<u64>);
    match (words.next(), words.next()) {
        (Some(Ok(process)), Some(Ok(start))) => {
            u32::try_from(process).ok().and_then(began).is_some_and(|began| began == start)
        }
        _ => false,
    }
}

/// When a process was started, in ticks since boot.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may hold spaces and brackets.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_id_and_its_begin() {
        let own = process::id();
        let start = began(own).unwrap();
        assert!(lives(&format!("{own}-{start}-0000")));
        assert!(!lives(&format!("{own}-{}-0000", start + 1)));
        assert!(!lives("") && !lives("x-y-z"));
    }
}
