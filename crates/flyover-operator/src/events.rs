//! Tells people what happened, as events of the object it happened to.
//!
//! Invariants: an event is news, not state: none is waited for, and one that cannot be written is lost. Repeated ones are counted
//! in the one that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::store::Key;
use crate::wire::reference;

/// How many may wait to be written.
const WAITING: usize = 256;
/// For how long nodes that became ready are gathered into one event.
const GATHERED: Duration = Duration::from_secs(10);
/// How many nodes an event names.
const NAMED: usize = 5;

/// Why an event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A new spec goes to the nodes.
    RolloutStarted,
    /// The nodes that have it first are ready with it.
    CanaryReady,
    /// Nodes are ready with it.
    NodeReady,
    /// It goes to no further node.
    Halted,
    /// A node went back to what it had.
    RolledBack,
    /// A node cannot be emptied for now.
    DrainBlocked,
    /// Another resource wants the same nodes as much.
    Conflict,
    /// A deletion does not wait for a node.
    Abandoned,
    /// All nodes are clean, or abandoned: the resource goes.
    Released,
}

impl Reason {
    fn word(self) -> String {
        format!("{self:?}")
    }

    fn kind(self) -> EventType {
        match self {
            Self::Halted | Self::RolledBack | Self::DrainBlocked | Self::Conflict | Self::Abandoned => {
                EventType::Warning
            }
            Self::RolloutStarted | Self::CanaryReady | Self::NodeReady | Self::Released => EventType::Normal,
        }
    }
}

/// Who tells.
#[derive(Debug)]
pub(crate) struct Teller {
    to: mpsc::Sender<(Event, ObjectReference)>,
    ready: BTreeMap<Key, Gathered>,
}

#[derive(Debug)]
struct Gathered {
    uid: String,
    nodes: BTreeSet<String>,
    until: Instant,
}

impl Teller {
    /// One who tells, and the task that writes, which ends with it.
    pub(crate) fn new(client: Client, identity: &str) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (to, mut waiting) = mpsc::channel::<(Event, ObjectReference)>(WAITING);
        let reporter = Reporter { controller: crate::MANAGER.into(), instance: Some(identity.into()) };
        let recorder = Recorder::new(client, reporter);
        let writing = async move {
            while let Some((event, about)) = waiting.recv().await {
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::warn!(%error, reason = event.reason, "an event is lost");
                }
            }
        };
        (Self { to, ready: BTreeMap::new() }, writing)
    }

    /// Tells it of a resource.
    pub(crate) fn of_resource(&self, key: &Key, uid: &str, reason: Reason, note: String) {
        self.tell(reference(key.lane, &key.name, uid), reason, note);
    }

    /// Tells it of a node.
    pub(crate) fn of_node(&self, name: &str, uid: &str, reason: Reason, note: String) {
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Node".into()),
            name: Some(name.into()),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        };
        self.tell(about, reason, note);
    }

    /// Nodes that became ready, which are told together.
    pub(crate) fn gather_ready(&mut self, key: &Key, uid: &str, nodes: impl IntoIterator<Item = String>) {
        let mut nodes = nodes.into_iter().peekable();
        if nodes.peek().is_none() {
            return;
        }
        let fresh = || Gathered { uid: uid.into(), nodes: BTreeSet::new(), until: Instant::now() + GATHERED };
        self.ready.entry(key.clone()).or_insert_with(fresh).nodes.extend(nodes);
    }

    /// When the next of those is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.ready.values().map(|gathered| gathered.until).min()
    }

    /// Tells those that were gathered long enough.
    pub(crate) fn flush(&mut self) {
        let now = Instant::now();
        let due: Vec<Key> =
            self.ready.iter().filter(|(_, g)| g.until <= now).map(|(k, _)| k.clone()).collect();
        for key in due {
            if let Some(gathered) = self.ready.remove(&key) {
                self.of_resource(&key, &gathered.uid, Reason::NodeReady, named(&gathered.nodes));
            }
        }
    }

    fn tell(&self, about: ObjectReference, reason: Reason, note: String) {
        tracing::info!(reason = reason.word(), about = about.name, note, "told");
        let event = Event {
            type_: reason.kind(),
            reason: reason.word(),
            note: Some(note.chars().take(1000).collect()),
            action: "Rollout".into(),
            secondary: None,
        };
        if self.to.try_send((event, about)).is_err() {
            tracing::warn!("an event is lost: too many wait to be written");
        }
    }
}

/// The first of them, and how many there are beside.
fn named(nodes: &BTreeSet<String>) -> String {
    let first: Vec<&str> = nodes.iter().take(NAMED).map(String::as_str).collect();
    let more = nodes.len() - first.len();
    let are = if nodes.len() == 1 { "is" } else { "are" };
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more} {are} ready", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_nodes_the_first_are_named_and_the_rest_counted() {
        let nodes = |n: u8| (1..=n).map(|n| format!("n{n}")).collect::<BTreeSet<_>>();
        assert_eq!(named(&nodes(1)), "n1 is ready");
        assert_eq!(named(&nodes(7)), "n1, n2, n3, n4, n5 and 2 more are ready");
    }
}
