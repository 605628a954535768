//! Writes the annotations that pods of the plugin before us read, as the states of their attachments say.
//!
//! Invariants: they are written by server-side apply and never read back, so what others write there decides nothing here;
//! what cannot be written is tried again, later each time, and holds up nothing else; a pod that is gone is left alone,
//! and its annotations went with it.

mod api;
mod publication;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flyover_cni_core::node::Node;
use flyover_cni_core::state::Store;
use kube::Client;
use tokio::time::{Instant, sleep};

use super::Settings;
use super::counts::Counts;
use api::ApiError;
use publication::{Pod, Publication};

/// How often to look whether something was attached: a pod waits for this before it begins.
const LOOK: Duration = Duration::from_secs(1);
/// Between two pods, so that a node that comes up does not press the API server.
const PAUSE: Duration = Duration::from_millis(50);
/// Before something is tried again, at first and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(300);

/// What is known of a pod's annotations.
struct Known {
    publication: Publication,
    /// When to write it, and how long to wait where that fails; none is that it is written.
    due: Option<(Instant, Duration)>,
}

/// What the loop remembers.
struct Publisher {
    kubeconfig: PathBuf,
    settings: Arc<Settings>,
    counts: Arc<Counts>,
    client: Option<Client>,
    known: BTreeMap<Pod, Known>,
    /// When the directories of states were changed last, as they were read, and when that was.
    seen: Option<(SystemTime, Instant)>,
}

/// Publishes until the process ends.
pub(super) async fn publish(settings: Arc<Settings>, counts: Arc<Counts>) -> Infallible {
    let Some(kubeconfig) = settings.kubeconfig.clone() else { return std::future::pending().await };
    let (client, known) = (None, BTreeMap::new());
    let mut publisher = Publisher { kubeconfig, settings, counts, client, known, seen: None };
    loop {
        publisher.look().await;
        publisher.write().await;
        sleep(LOOK).await;
    }
}

impl Publisher {
    /// Reads what is to be published, where something was attached or detached since; now and then in any case, for the
    /// time of a directory is not exact.
    async fn look(&mut self) {
        let directories = [&self.settings.node.state_dir, &self.settings.node.lasting_dir];
        // What is not there was not begun yet.
        let times = directories.into_iter().filter_map(|path| std::fs::metadata(path).ok()?.modified().ok());
        let Some(changed) = times.max() else { return };
        if self.seen.is_some_and(|(time, read)| time == changed && read.elapsed() < self.settings.each) {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let read = tokio::task::spawn_blocking(move || read(&settings.node)).await;
        self.seen = Some((changed, Instant::now()));
        let mut before = std::mem::take(&mut self.known);
        for publication in read.unwrap_or_default() {
            let known = before.remove(&publication.pod).filter(|known| known.publication == publication);
            let known = known.unwrap_or_else(|| Known {
                due: Some((Instant::now(), SOON)),
                publication: publication.clone(),
            });
            self.known.insert(publication.pod, known);
        }
    }

    /// Writes what is due.
    async fn write(&mut self) {
        let now = Instant::now();
        let is_due = |known: &&mut Known| known.due.is_some_and(|(when, _)| when <= now);
        for known in self.known.values_mut().filter(is_due) {
            let written = annotate(&mut self.client, &self.kubeconfig, &known.publication).await;
            self.counts.annotated(written.is_ok());
            known.due = match &written {
                Ok(()) => None,
                Err(error) => {
                    tell(error);
                    let wait = known.due.map_or(SOON, |(_, wait)| wait);
                    let again = Some((Instant::now() + wait, (wait * 2).min(LATE)));
                    again.filter(|_| !matches!(error, ApiError::Gone { .. }))
                }
            };
            sleep(PAUSE).await;
        }
    }
}

/// Writes what a pod is to have. After a failure the next begins with a new client, by what the kubeconfig says then.
async fn annotate(
    kept: &mut Option<Client>,
    kubeconfig: &Path,
    publication: &Publication,
) -> Result<(), ApiError> {
    let client = match kept.take() {
        Some(client) => client,
        None => api::client(kubeconfig).await?,
    };
    let written = api::annotate(&client, publication).await;
    *kept = matches!(written, Ok(()) | Err(ApiError::Gone { .. })).then_some(client);
    written
}

/// What stands in the directories. States that cannot be read are told of by the rounds.
fn read(node: &Node) -> Vec<Publication> {
    let all = || {
        let store = Store::open(node).ok()?;
        let ids = store.list().ok()?;
        Some(publication::of(ids.iter().filter_map(|id| store.load(id).ok().flatten())))
    };
    all().unwrap_or_default()
}

fn tell(error: &ApiError) {
    let causes = std::iter::successors(Error::source(error), |cause| (*cause).source());
    let why = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    match error {
        ApiError::Gone { .. } => tracing::info!(%error, "no annotations to write"),
        _ => tracing::warn!(%error, why, "annotations are not written; it is tried again"),
    }
}
