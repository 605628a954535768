//! Tells the cluster how the node is: what the lanes say, as one status, at a pace the API server can bear.

mod conditions;
mod events;
mod pace;
mod report;

use std::collections::BTreeMap;
use std::time::SystemTime;

use flyover_api::resource::{Lane, LaneStatus, NodeFacts};
use tokio::sync::{mpsc, oneshot, watch};

use crate::lane::{Desk, Event};

pub(crate) use events::publish;
pub(crate) use report::report;

/// The field manager and the reporter of everything an agent writes.
pub(crate) const MANAGER: &str = "flyover-agent";

/// The time, as documents have it.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// What is so now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether the lanes were looked at since the start: before, there is nothing to tell.
    pub(crate) looked: bool,
    /// What the node is.
    pub(crate) facts: NodeFacts,
    /// What became of its lanes.
    pub(crate) lanes: BTreeMap<Lane, LaneStatus>,
    /// Of which generation of the `NodeState`.
    pub(crate) generation: Option<i64>,
}

/// Where the lanes say how they are.
pub(crate) struct Board {
    pub(crate) told: watch::Sender<Told>,
    events: mpsc::Sender<Event>,
    /// Who waits until the cluster has what is told.
    questions: mpsc::Sender<oneshot::Sender<bool>>,
}

/// What is told on a board besides its state.
pub(crate) struct Ear {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) questions: mpsc::Receiver<oneshot::Sender<bool>>,
}

impl Board {
    /// An empty board, and the events that are told on it.
    pub(crate) fn new() -> (Self, Ear) {
        // While nobody can be told, what came first is kept: it is the cause of what follows.
        let (events, heard) = mpsc::channel(32);
        let (questions, asked) = mpsc::channel(1);
        let board = Self { told: watch::Sender::new(Told::default()), events, questions };
        (board, Ear { events: heard, questions: asked })
    }

    /// Changes what is told besides the lanes.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Told)) {
        self.told.send_if_modified(|told| {
            let before = told.clone();
            change(told);
            *told != before
        });
    }
}

impl Desk for Board {
    fn say(&self, lane: Lane, status: Option<&LaneStatus>) {
        self.put(|told| {
            match status {
                Some(status) => told.lanes.insert(lane, status.clone()),
                None => told.lanes.remove(&lane),
            };
        });
    }

    fn confirm(&self, lane: Lane, status: &LaneStatus) -> bool {
        self.say(lane, Some(status));
        let (answer, answered) = oneshot::channel();
        self.questions.blocking_send(answer).is_ok() && answered.blocking_recv().unwrap_or(false)
    }

    fn tell(&self, event: Event) {
        tracing::info!(lane = %event.lane, what = ?event.what, note = event.note, "it happened");
        if self.events.try_send(event).is_err() {
            tracing::debug!("nobody hears of events now");
        }
    }
}
