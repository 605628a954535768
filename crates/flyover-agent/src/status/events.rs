//! Events: what happened on the node, for `kubectl describe` and whoever collects them.

use flyover_api::resource::NodeState;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event as Published, EventType, Recorder, Reporter};
use kube::{Client, Resource as _};
use tokio::sync::{mpsc, watch};

use super::MANAGER;
use crate::follow::Heard;
use crate::lane::{Event, Happened};

/// The API server takes no more.
const LONGEST: usize = 1000;

/// Publishes events on the node's own object, until none can come any more. One that is not taken is lost: it is in the log.
pub(crate) async fn publish(
    client: Client,
    node: String,
    mut events: mpsc::Receiver<Event>,
    heard: watch::Receiver<Option<Heard>>,
) {
    let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(node.clone()) };
    let recorder = Recorder::new(client, reporter);
    while let Some(event) = events.recv().await {
        let uid = heard.borrow().as_ref().map(|heard| heard.uid.clone()).filter(|uid| !uid.is_empty());
        let about = ObjectReference {
            api_version: Some(NodeState::api_version(&()).into_owned()),
            kind: Some(NodeState::kind(&()).into_owned()),
            name: Some(node.clone()),
            uid,
            ..ObjectReference::default()
        };
        if let Err(error) = recorder.publish(&published(&event), &about).await {
            tracing::warn!(%error, "an event was not taken");
        }
    }
}

fn published(event: &Event) -> Published {
    let (reason, action, bad) = match event.what {
        Happened::Applied => ("Applied", "Apply", false),
        Happened::Failed => ("Failed", "Apply", true),
        Happened::Refused => ("Refused", "Apply", true),
        Happened::Drifted => ("Drifted", "Look", true),
        Happened::Healed => ("Healed", "Heal", false),
        Happened::Removed => ("Removed", "Remove", false),
    };
    let whose =
        event.from.as_ref().map(|from| format!(" of {} {from}", event.lane.kind())).unwrap_or_default();
    let note: String = format!("{} lane{whose}: {}", event.lane, event.note).chars().take(LONGEST).collect();
    Published {
        type_: if bad { EventType::Warning } else { EventType::Normal },
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}
