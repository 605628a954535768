//! Hears what the node is to have: watches its `NodeState`, and no other.
//!
//! Invariant: a `NodeState` that is gone takes nothing away. Taking back is a wish like any other, and is heard as one.

use std::pin::pin;

use flyover_api::resource::{NodeState, NodeStateSpec, NodeStateStatus};
use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;

/// What was heard of the node's own object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Which object it is: one that was made anew knows nothing of what was said to the old one.
    pub(crate) uid: String,
    /// Of which generation.
    pub(crate) generation: Option<i64>,
    /// What the node is to have.
    pub(crate) spec: NodeStateSpec,
    /// What it has of us.
    pub(crate) status: Option<NodeStateStatus>,
}

/// Watches until nobody listens any more.
pub(crate) async fn follow(client: Client, node: String, heard: watch::Sender<Option<Heard>>) {
    let api: Api<NodeState> = Api::all(client);
    let config = Config::default().fields(&format!("metadata.name={node}"));
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut silent = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(state) | Event::InitApply(state)) => hear(state, &heard),
            Ok(Event::Delete(_)) => {
                tracing::warn!(node, "the node's NodeState was deleted; the node stays as it is");
                heard.send_if_modified(|heard| {
                    heard.as_mut().is_some_and(|heard| !std::mem::take(&mut heard.uid).is_empty())
                });
            }
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) if !silent => {
                tracing::warn!(%error, "the API server cannot be asked; the node goes on with what was heard last");
                silent = true;
                continue;
            }
            Err(error) => {
                tracing::debug!(%error, "the API server cannot be asked yet");
                continue;
            }
        }
        silent = false;
    }
}

fn hear(state: NodeState, heard: &watch::Sender<Option<Heard>>) {
    let news = Heard {
        uid: state.uid().unwrap_or_default(),
        generation: state.metadata.generation,
        spec: state.spec,
        status: state.status,
    };
    heard.send_if_modified(|heard| {
        // What is only our own status that comes back is no news.
        let old = heard.as_ref();
        let same = old.is_some_and(|old| {
            old.uid == news.uid && old.generation == news.generation && old.spec == news.spec
        });
        *heard = Some(news);
        !same
    });
}
