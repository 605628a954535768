//! What the task of a connection and its readers share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::cache::{Cache, Change, Changes, Synced};

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// There is, and the tables are the server's.
    Up,
    /// There is none; the tables are what they were.
    Down {
        /// Why not.
        why: String,
    },
}

/// What came about since news were last taken.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// Whether there is a connection now.
    pub link: Link,
    /// Whether another server process answers now: what others held by their connections is gone.
    pub restarted: bool,
    /// Whether it is another database now: the changes lead to it, but nothing in it is as it was left.
    pub replaced: bool,
    /// The locks that were asked for, and whether they are held.
    pub locks: BTreeMap<String, bool>,
    /// What became of the rows.
    pub changes: Vec<Change>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) cache: Cache,
    pub(super) link: Link,
    /// Which process of the server answered last.
    pub(super) server: Option<String>,
    locks: BTreeMap<String, bool>,
    restarted: bool,
    replaced: bool,
    changes: Changes,
    /// Whether anything came about.
    fresh: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn of(cache: Cache) -> Self {
        let state = State {
            cache,
            link: Link::Down { why: "not connected yet".to_owned() },
            server: None,
            locks: BTreeMap::new(),
            restarted: false,
            replaced: false,
            changes: Changes::default(),
            fresh: false,
        };
        Self { state: Mutex::new(state), version: watch::Sender::new(0) }
    }

    pub(super) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state())
    }

    /// Changes the state and wakes whoever waits.
    pub(super) fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        let result = write(&mut self.state());
        self.version.send_modify(|version| *version += 1);
        result
    }

    pub(super) fn take_news(&self) -> Option<News> {
        let mut state = self.state();
        std::mem::take(&mut state.fresh).then(|| News {
            link: state.link.clone(),
            restarted: std::mem::take(&mut state.restarted),
            replaced: std::mem::take(&mut state.replaced),
            locks: state.locks.clone(),
            changes: state.changes.take(),
        })
    }

    /// No one panics while holding it, but if somebody did, the state is whole: each change of it is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn down(&mut self, why: String) {
        self.cache.reconnected();
        self.locks.values_mut().for_each(|held| *held = false);
        let link = Link::Down { why };
        self.fresh |= self.link != link;
        self.link = link;
    }

    pub(super) fn up(&mut self, synced: Synced) {
        self.link = Link::Up;
        self.replaced |= synced.replaced;
        self.changes.extend(synced.changes);
        self.fresh = true;
    }

    pub(super) fn changed(&mut self, changes: Vec<Change>) {
        self.changes.extend(changes);
        self.fresh |= !self.changes.is_empty();
    }

    pub(super) fn answered_by(&mut self, server: String) {
        self.restarted |= self.server.as_ref().is_some_and(|last| *last != server);
        self.server = Some(server);
    }

    /// Whether a lock is held, if it was asked for.
    pub(super) fn lock(&self, lock: &str) -> Option<bool> {
        self.locks.get(lock).copied()
    }

    pub(super) fn add_lock(&mut self, lock: &str) {
        self.locks.entry(lock.to_owned()).or_insert(false);
    }

    pub(super) fn forget_lock(&mut self, lock: &str) {
        self.locks.remove(lock);
    }

    /// A lock that nobody wants any more is not told of.
    pub(super) fn set_lock(&mut self, lock: &str, held: bool) {
        if let Some(known) = self.locks.get_mut(lock) {
            self.fresh |= *known != held;
            *known = held;
        }
    }

    pub(super) fn wanted_locks(&self) -> Vec<String> {
        self.locks.keys().cloned().collect()
    }
}
