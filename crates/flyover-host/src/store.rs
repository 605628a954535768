//! Where the journal is on the host, and the lock that one applier at a time holds.
//!
//! Invariants: every document is replaced whole and is on the disk before the call returns. Writing needs the lock,
//! which the kernel lets go when its holder dies. A document that cannot be understood stops everything: undoing by
//! half a journal is worse than not undoing.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::ops::Deref;

use flyover_core::{Action, Bytes, FileMode, FileState, HostPath, Ledger, Owned, PlanHash};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::journal::{Cause, Generation, LAYOUT, Rollback};
use crate::past::stands;
use crate::root::{HostError, HostRoot};

/// What keeps a journal of its own on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane(String);

impl Lane {
    /// The node itself.
    #[must_use]
    pub fn node() -> Self {
        Self("node".to_owned())
    }

    /// A switch, by its run directory: changes of one know nothing of those of another.
    #[must_use]
    pub fn switch(rundir: &HostPath) -> Self {
        Self(match rundir.as_str() {
            "/run/openvswitch" | "/var/run/openvswitch" => "switch".to_owned(),
            // As systemd makes names of paths, so that no two directories have one name.
            other => {
                format!("switch@{}", other.trim_start_matches('/').replace('-', "\\x2d").replace('/', "-"))
            }
        })
    }

    fn state(&self) -> HostPath {
        HostPath::fixed("/var/lib/flyover").join(&self.0).expect("the name of a lane joins a path")
    }

    fn lock(&self) -> HostPath {
        let name = format!("{}.lock", self.0);
        HostPath::fixed("/run/flyover").join(&name).expect("the name of a lane joins a path")
    }
}

/// The journal of a host, to be read.
#[derive(Clone)]
pub struct Store {
    host: HostRoot,
    lane: Lane,
}

/// The journal of a host, to be written: nobody else has it.
pub struct Held {
    store: Store,
    _lock: Flock<File>,
}

/// What is wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has it.
    #[error("another flyover changes this node (process {pid})\n  hint: wait until it has ended")]
    Locked {
        /// Who, as far as that is known.
        pid: String,
    },
    /// The lock could not be asked for.
    #[error("failed to lock `{path}`")]
    Lock {
        /// Which file.
        path: HostPath,
        /// What the system said.
        source: io::Error,
    },
    /// A document cannot be understood.
    #[error(
        "`{path}` is damaged, so nothing was done\n  hint: put it back from a backup, or move {state} away and undo by hand"
    )]
    Damaged {
        /// Which.
        path: HostPath,
        /// Where all of the journal is.
        state: HostPath,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A document is of a later program.
    #[error(
        "`{path}` was written by a newer flyover (layout {found}, this one knows {LAYOUT}), so nothing was done\n  hint: use that one"
    )]
    Newer {
        /// Which.
        path: HostPath,
        /// Its layout.
        found: u64,
    },
    /// A document could not be read or written.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// The directory of the generations.
const GENERATIONS: &str = "generations";

/// The reboots that were made, by what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboots {
    /// The form of this document.
    pub layout: u32,
    /// The boot in which the reboot was asked for.
    pub asked: BTreeMap<PlanHash, String>,
}

impl Store {
    /// The journal of the node that a host is.
    #[must_use]
    pub fn at(host: &HostRoot) -> Self {
        Self::of(host, Lane::node())
    }

    /// The journal of something on a host.
    #[must_use]
    pub fn of(host: &HostRoot, lane: Lane) -> Self {
        Self { host: host.clone(), lane }
    }

    /// The host it is of.
    #[must_use]
    pub fn host(&self) -> &HostRoot {
        &self.host
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> HostPath {
        self.lane.state()
    }

    fn below(&self, name: &str) -> HostPath {
        self.directory().join(name).expect("a name joins a path")
    }

    /// Takes it for writing, or says at once who has it.
    pub fn lock(&self) -> Result<Held, StoreError> {
        let path = self.lane.lock();
        let real = self.host.path(&path);
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        let open = || {
            real.parent().map_or(Ok(()), fs::create_dir_all)?;
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&real)
        };
        match Flock::lock(open().map_err(failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let write = lock
                    .set_len(0)
                    .and_then(|()| lock.rewind())
                    .and_then(|()| write!(lock, "{}", std::process::id()));
                write.map_err(failed)?;
                Ok(Held { store: self.clone(), _lock: lock })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                // Whose it is helps, but does not decide.
                let _ = file.read_to_string(&mut pid);
                Err(StoreError::Locked {
                    pid: if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() },
                })
            }
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }

    /// All generations, the oldest first.
    pub fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        let directory = self.below(GENERATIONS);
        let names = self
            .host
            .names(&directory)
            .into_iter()
            .filter(|name| !name.starts_with('.') && name.ends_with(".json"));
        let mut all = Vec::new();
        for name in names {
            let path = directory.join(&name).expect("a name in a directory joins it");
            all.extend(self.read::<Generation>(&path)?);
        }
        all.sort_by_key(|generation| generation.number);
        Ok(all)
    }

    /// The rollback that is under way, if one is.
    pub fn rollback(&self) -> Result<Option<Rollback>, StoreError> {
        self.read(&self.below("rollback.json"))
    }

    /// The reboots that were made.
    pub fn reboots(&self) -> Result<Reboots, StoreError> {
        let none = Reboots { layout: LAYOUT, asked: BTreeMap::new() };
        Ok(self.read(&self.below("reboots.json"))?.unwrap_or(none))
    }

    /// What is ours on the host: all generations that stand, taken together.
    pub fn ledger(&self) -> Result<Ledger, StoreError> {
        self.ledger_after(0)
    }

    /// What the generations after that one, taken together, changed.
    pub fn ledger_after(&self, to: u64) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new();
        for generation in self.generations()?.into_iter().filter(|generation| generation.number > to) {
            for entry in generation.standing() {
                let (Some(found), wished) = (entry.origin(), entry.step.action.clone()) else { continue };
                let mut left = entry.left.clone().unwrap_or_else(|| wished.clone());
                let found = match ledger.remove(&entry.subject()) {
                    Some(Owned { found: first, left: before, .. }) if before.stays(&found) => first,
                    // Somebody changed the boot loader's files between two changes of ours: none of what was found
                    // may come back whole, so what we left is told to be changed.
                    Some(Owned { found: first, .. }) if matches!(found, Action::BootArgs(_)) => {
                        left = first.clone();
                        first
                    }
                    Some(Owned { found: first, .. }) if entry.cause == Cause::Drift => first,
                    // Theirs is what goes back.
                    _ => found,
                };
                ledger.insert(entry.subject(), Owned { found, left, wished });
            }
        }
        ledger.retain(|_, owned| {
            matches!(owned.found, Action::BootArgs(_)) || !owned.found.same_state(&owned.left)
        });
        Ok(ledger)
    }

    fn read<T: DeserializeOwned>(&self, path: &HostPath) -> Result<Option<T>, StoreError> {
        let Some(file) = self.host.file(path)? else { return Ok(None) };
        let damaged = |source| StoreError::Damaged { path: path.clone(), state: self.directory(), source };
        let value: serde_json::Value = serde_json::from_slice(&file.content.0).map_err(damaged)?;
        match value.get("layout").and_then(serde_json::Value::as_u64) {
            Some(found) if found > u64::from(LAYOUT) => Err(StoreError::Newer { path: path.clone(), found }),
            _ => serde_json::from_value(value).map(Some).map_err(damaged),
        }
    }
}

impl Held {
    /// Writes a generation.
    pub(crate) fn write_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        self.write(
            &self.below(GENERATIONS).join(&format!("{:04}.json", generation.number)).expect("a number joins"),
            generation,
        )
    }

    /// Writes the rollback that is under way, or that none is.
    pub(crate) fn write_rollback(&self, rollback: Option<&Rollback>) -> Result<(), StoreError> {
        let path = self.below("rollback.json");
        rollback.map_or_else(|| Ok(self.host().remove_file(&path)?), |rollback| self.write(&path, rollback))
    }

    /// Writes the reboots that were made.
    pub(crate) fn write_reboots(&self, reboots: &Reboots) -> Result<(), StoreError> {
        self.write(&self.below("reboots.json"), reboots)
    }

    /// Takes the journal itself away, and whether it is away: it stays as long as anything of it stands, or is to be undone.
    pub fn forget(self) -> Result<bool, StoreError> {
        let over = self.generations()?.iter().all(|generation| !stands(generation));
        if !over || self.rollback()?.is_some() {
            return Ok(false);
        }
        let (host, directory, lock) = (self.host(), self.directory(), self.lane.lock());
        match fs::remove_dir_all(host.path(&directory)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(HostError::File { verb: "remove", path: directory, source }.into());
            }
            _ => {}
        }
        // Whoever waits at the lock's file has opened it already, finds no journal, and begins one.
        host.remove_file(&lock)?;
        for parent in [directory.parent(), lock.parent()].into_iter().flatten() {
            if host.exists(&parent) {
                host.remove_empty_directory(&parent)?;
            }
        }
        Ok(true)
    }

    fn write<T: Serialize>(&self, path: &HostPath, document: &T) -> Result<(), StoreError> {
        let mut content = serde_json::to_vec_pretty(document).expect("a journal has string keys only");
        content.push(b'\n');
        if let Some(directory) = path.parent() {
            self.host().make_directory(&directory)?;
        }
        // What was found may hold secrets of the host: the journal is root's alone.
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let state = FileState { content: Bytes(content), mode: FileMode::of(0o600), uid, gid };
        Ok(self.host().replace_file(path, &state)?)
    }
}

impl Deref for Held {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
