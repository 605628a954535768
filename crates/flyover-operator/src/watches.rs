//! What the API server tells, as it happens: a task for each kind, and one channel for all they hear.

use std::time::Duration;

use flyover_api::resource::Lane;
use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::store::{Change, Held, Told};
use crate::wire::{NodeWire, ResourceWire, StateWire};

/// Since which minor version a server can begin a watch with all there is.
const STREAMS_LISTS: u32 = 34;
/// How long such a stream may stay silent.
const WATCH: Duration = Duration::from_secs(290);

/// Begins all of them.
pub(crate) async fn begin(client: &Client, to: &mpsc::Sender<Change>) -> Result<JoinSet<()>, kube::Error> {
    let minor = client.apiserver_version().await?.minor;
    let minor: u32 = minor.trim_end_matches('+').parse().unwrap_or_default();
    let seconds = u32::try_from(WATCH.as_secs()).expect("it is a few minutes");
    let how = watcher::Config::default().timeout(seconds);
    let how = if minor >= STREAMS_LISTS { how.streaming_lists() } else { how };
    let mut tasks = JoinSet::new();
    let nodes = watcher(Api::<NodeWire>::all(client.clone()), how.clone());
    tasks.spawn(hear("nodes", nodes, to.clone(), |wire| wire.into(), Change::Node));
    let states = watcher(Api::<StateWire>::all(client.clone()), how.clone());
    tasks.spawn(hear("nodestates", states, to.clone(), |wire| wire.into(), Change::State));
    for lane in Lane::ALL {
        let resources = watcher(Api::<ResourceWire>::all_with(client.clone(), &lane), how.clone());
        let kept = move |wire: ResourceWire| wire.kept(lane);
        let told = move |told| Change::Resource(lane, told);
        tasks.spawn(hear(lane.kind(), resources, to.clone(), kept, told));
    }
    Ok(tasks)
}

/// Passes on what a watch hears, until nobody listens.
async fn hear<W: ResourceExt, T>(
    what: &'static str,
    stream: impl Stream<Item = watcher::Result<Event<W>>>,
    to: mpsc::Sender<Change>,
    kept: impl Fn(W) -> T,
    change: impl Fn(Told<T>) -> Change,
) {
    let mut stream = std::pin::pin!(stream.default_backoff());
    while let Some(event) = stream.next().await {
        let told = match event {
            Ok(event) => told(event, &kept),
            Err(error) => {
                tracing::warn!(what, %error, "watching is interrupted");
                continue;
            }
        };
        if to.send(change(told)).await.is_err() {
            return;
        }
    }
}

fn told<W: ResourceExt, T>(event: Event<W>, kept: impl Fn(W) -> T) -> Told<T> {
    match event {
        Event::Init => Told::Beginning,
        Event::InitApply(wire) | Event::Apply(wire) => {
            let (name, held) = held(wire, kept);
            Told::There(name, held)
        }
        Event::InitDone => Told::All,
        Event::Delete(wire) => Told::Gone(wire.name_any(), wire.resource_version().unwrap_or_default()),
    }
}

/// An object by its name, in the version it was read in.
pub(crate) fn held<W: ResourceExt, T>(wire: W, kept: impl Fn(W) -> T) -> (String, Held<T>) {
    let (name, version) = (wire.name_any(), wire.resource_version().unwrap_or_default());
    (name, Held { version, value: kept(wire) })
}
