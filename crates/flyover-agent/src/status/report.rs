//! Writes the status of the node's own object, by server-side apply.

use std::time::{Duration, Instant};

use flyover_api::resource::{Condition, NodeState, NodeStateStatus};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource as _};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::pace::Pace;
use super::{MANAGER, Told, conditions, now};
use crate::follow::Heard;

/// After the first failure, and the longest.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Somebody else wrote to the object in between.
const CONFLICT: u16 = 409;
/// How long the API server may take. Without a limit a connection that broke unseen would be waited for, and with it the node.
const ANSWER: Duration = Duration::from_secs(10);

/// Why it was not told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("the API server did not answer within {ANSWER:?}")]
    Silence,
    #[error(transparent)]
    Refused(#[from] kube::Error),
}

/// Tells what is told, until nobody tells anything any more.
pub(crate) async fn report(
    client: Client,
    node: String,
    (mut told, mut questions): (watch::Receiver<Told>, mpsc::Receiver<oneshot::Sender<bool>>),
    mut heard: watch::Receiver<Option<Heard>>,
) {
    let api: Api<NodeState> = Api::all(client);
    let (mut pace, mut uid, mut pause) = (Pace::default(), String::new(), AGAIN);
    let mut said: Vec<Condition> = Vec::new();
    loop {
        let (known, before) = object(&heard);
        if known != uid {
            // Another object, or none: what was said is not there.
            (uid, pause) = (known, AGAIN);
            pace.forget();
            said = before;
        }
        let news = told.borrow_and_update().clone();
        let due = pace.due(&news, Instant::now());
        let may = !uid.is_empty() && news.looked;
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            changed = heard.changed() => if changed.is_err() { return },
            Some(answer) = questions.recv() => {
                // What was asked about may have been told since this turn began.
                let news = told.borrow_and_update().clone();
                let status = status(&news, &said);
                let confirmed = confirm(&api, &node, &news, &status).await;
                if let Err(error) = &confirmed {
                    tracing::warn!(%error, "the API server cannot be asked whether this may begin");
                }
                let confirmed = confirmed.unwrap_or(false);
                if confirmed {
                    said = status.conditions;
                    pace.said(news, Instant::now());
                }
                // Nobody waits any more if this fails.
                let _gone = answer.send(confirmed);
            }
            () = tokio::time::sleep_until(due.into()), if may => {
                let status = status(&news, &said);
                match write(&api, &node, &status, None).await {
                    Ok(()) => {
                        (said, pause) = (status.conditions, AGAIN);
                        pace.said(news, Instant::now());
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the node's status was not taken; again in a while");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST);
                    }
                }
            }
        }
    }
}

/// Which object there is, and what its conditions are.
fn object(heard: &watch::Receiver<Option<Heard>>) -> (String, Vec<Condition>) {
    let heard = heard.borrow();
    let Some(heard) = heard.as_ref() else { return Default::default() };
    let conditions = heard.status.as_ref().map(|status| status.conditions.clone());
    (heard.uid.clone(), conditions.unwrap_or_default())
}

fn status(told: &Told, before: &[Condition]) -> NodeStateStatus {
    let now = now();
    NodeStateStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        facts: told.facts.clone(),
        conditions: conditions::of(&told.lanes).since(before, &now, told.generation),
        lanes: told.lanes.clone(),
        reported: now,
    }
}

/// Writes it only if what is to be done follows from what the node is to have now.
async fn confirm(
    api: &Api<NodeState>,
    node: &str,
    told: &Told,
    status: &NodeStateStatus,
) -> Result<bool, Untold> {
    let state = answered(api.get(node)).await?;
    if state.metadata.generation != told.generation {
        return Ok(false);
    }
    match write(api, node, status, state.metadata.resource_version).await {
        Ok(()) => Ok(true),
        Err(Untold::Refused(kube::Error::Api(refused))) if refused.code == CONFLICT => Ok(false),
        Err(error) => Err(error),
    }
}

async fn write(
    api: &Api<NodeState>,
    node: &str,
    status: &NodeStateStatus,
    version: Option<String>,
) -> Result<(), Untold> {
    let mut patch = json!({
        "apiVersion": NodeState::api_version(&()),
        "kind": NodeState::kind(&()),
        "metadata": { "name": node },
        "status": status,
    });
    if let Some(version) = version {
        patch["metadata"]["resourceVersion"] = version.into();
    }
    let how = PatchParams::apply(MANAGER).force();
    answered(api.patch_status(node, &how, &Patch::Apply(&patch))).await.map(drop)
}

async fn answered<T>(asked: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Untold> {
    Ok(tokio::time::timeout(ANSWER, asked).await.map_err(|_| Untold::Silence)??)
}
