//! The one loop: what changes marks the resources that it concerns, and each of those is looked at and brought a step further.
//!
//! Invariants: one resource is worked on at a time, and nothing is taken in meanwhile, so acts are carried out on what they were
//! decided on; what is asked for while there is no leader is looked at when there is one.

mod act;
mod outcome;
mod rests;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use rests::Rests;

use crate::events::Teller;
use crate::hands::{Hands, NotDone};
use crate::lease::Leading;
use crate::metrics::Metrics;
use crate::store::{Change, Key, Store};

/// For how long changes are gathered before anything is looked at.
const GATHERED: Duration = Duration::from_millis(20);
/// The most, where looking itself takes long.
const GATHERED_AT_MOST: Duration = Duration::from_millis(500);
/// How often everything is looked at without a reason.
const RESYNC: Duration = Duration::from_secs(300);
/// The loop turns at least so often, which is how it is known to be alive.
const BEAT: Duration = Duration::from_secs(10);
/// How many writes of different nodes are under way at a time.
pub(crate) const AT_A_TIME: usize = 16;

/// The loop and all it knows.
pub(crate) struct Engine {
    store: Store,
    hands: Hands,
    leading: Leading,
    teller: Teller,
    metrics: Arc<Metrics>,
    dirty: BTreeSet<Key>,
    due: BTreeMap<Key, Instant>,
    rests: Rests,
    said: BTreeMap<Key, Instant>,
    ready: BTreeMap<Key, BTreeSet<String>>,
    resync: Instant,
    gathered: Duration,
    led: bool,
}

impl Engine {
    pub(crate) fn new(hands: Hands, leading: Leading, teller: Teller, metrics: Arc<Metrics>) -> Self {
        Self {
            store: Store::default(),
            hands,
            leading,
            teller,
            metrics,
            dirty: BTreeSet::new(),
            due: BTreeMap::new(),
            rests: Rests::default(),
            said: BTreeMap::new(),
            ready: BTreeMap::new(),
            resync: Instant::now() + RESYNC,
            gathered: GATHERED,
            led: false,
        }
    }

    /// Runs until it is to stop; the act that is under way is finished.
    pub(crate) async fn run(mut self, mut told: mpsc::Receiver<Change>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let next = self.next();
            tokio::select! {
                _ = stop.changed() => break,
                change = told.recv() => match change {
                    Some(change) => self.gather(change, &mut told).await,
                    None => break,
                },
                () = self.leading.changed() => {}
                () = sleep_until(next) => {}
            }
            self.beat();
            if self.leads() {
                self.work(&mut told, &stop).await;
            }
        }
    }

    /// When the loop turns next though nothing is told.
    fn next(&self) -> Instant {
        let now = Instant::now();
        if self.led && !self.dirty.is_empty() {
            return now;
        }
        let due = self.due.values().copied().filter(|_| self.led);
        due.chain(self.teller.due()).chain([self.resync, now + BEAT]).min().unwrap_or(now)
    }

    fn beat(&mut self) {
        let now = Instant::now();
        self.metrics.beat();
        self.teller.flush();
        if self.resync <= now {
            self.resync = now + RESYNC;
            self.dirty = self.store.keys();
        }
        let due: Vec<Key> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.due.remove(&key);
            self.dirty.insert(key);
        }
    }

    /// Whether it leads and knows everything. Who begins to lead looks at everything.
    fn leads(&mut self) -> bool {
        let complete = self.store.is_complete();
        self.metrics.complete(complete);
        let leads = complete && self.leading.now();
        self.metrics.leader(leads);
        if leads && !self.led {
            self.store.hearing.begin();
            self.dirty = self.store.keys();
        }
        self.led = leads;
        leads
    }

    /// Takes in what comes within a moment.
    async fn gather(&mut self, first: Change, told: &mut mpsc::Receiver<Change>) {
        let until = Instant::now() + self.gathered;
        self.take(first);
        loop {
            tokio::select! {
                change = told.recv() => match change {
                    Some(change) => self.take(change),
                    None => return,
                },
                () = sleep_until(until) => return,
            }
        }
    }

    fn take(&mut self, change: Change) {
        let concerned = self.store.take(change);
        self.dirty.extend(concerned);
    }

    /// Brings everything that is marked one step further.
    async fn work(&mut self, told: &mut mpsc::Receiver<Change>, stop: &watch::Receiver<bool>) {
        if self.dirty.is_empty() {
            return;
        }
        self.begin_states().await;
        let began = Instant::now();
        let mut busy = Duration::ZERO;
        for key in take(&mut self.dirty) {
            if *stop.borrow() || !self.leading.now() {
                self.dirty.insert(key);
                continue;
            }
            busy += self.turn(&key).await;
            while let Ok(change) = told.try_recv() {
                self.take(change);
            }
        }
        self.metrics.reconciled(began.elapsed());
        // Four times as long as it thinks, so that it never thinks more than a fifth of the time.
        self.gathered = (busy * 4).clamp(GATHERED, GATHERED_AT_MOST);
    }

    /// Every node that somebody selects has a state, where its agent can say what it is.
    async fn begin_states(&mut self) {
        let selected: Vec<String> = self.store.shares().nodes().cloned().collect();
        let missing = selected.into_iter().filter_map(|name| {
            let node = self.store.nodes.value(&name)?.clone();
            self.store.states.get(&name).is_none().then_some((name, node))
        });
        let missing: Vec<_> = missing.collect();
        let hands = &self.hands;
        let begun = stream::iter(missing).map(|(name, node)| async move {
            let begun = match hands.begin_state(&name, &node).await {
                Err(NotDone::Changed(_)) => hands.read_state(&name).await,
                begun => begun.map(Some),
            };
            (name, begun)
        });
        let begun: Vec<_> = begun.buffer_unordered(AT_A_TIME).collect().await;
        for (name, begun) in begun {
            match begun {
                Ok(Some(held)) => self.put_state(name, held),
                Ok(None) | Err(NotDone::NotLeading) => {}
                Err(error) => tracing::warn!(error = crate::failure::chain(&error), "no state for a node"),
            }
        }
    }

    fn look_again(&mut self, key: &Key, at: Instant) {
        let due = self.due.entry(key.clone()).or_insert(at);
        *due = (*due).min(at);
    }
}
