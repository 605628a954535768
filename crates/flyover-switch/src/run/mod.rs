//! The node's process: keeps the switch what its spec says, the attachments what their ADD left, and tells how they fare.
//!
//! Why: everything works without it. With it, a database that was wiped is filled again while the pods stay, a port that
//! somebody deleted comes back, a broker that died is started, and what was left behind goes.
//!
//! Invariants: it holds nothing that is not on the disk or in the switch, so it may be killed at any time and leaves
//! nothing changed when it ends; one round runs at a time, on a thread of its own; nothing is collected that was not
//! found to be left behind in the round before too.

mod counts;
mod heap;
mod keeper;
mod metrics;
mod publish;
mod round;
mod watch;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flyover_cni_core::CniError;
use flyover_cni_core::node::Node;
use tokio::net::TcpListener;

pub use round::{Mended, Round};

use crate::switch::Switch;
use counts::Counts;
use keeper::Keeper;
use metrics::text;
use round::{Task, Which};
use watch::Watch;

/// What to keep, and how.
pub struct Settings {
    /// What the administrator allows attachments.
    pub node: Node,
    /// The switch.
    pub switch: Switch,
    /// Where to serve metrics.
    pub metrics: Option<SocketAddr>,
    /// How often to look at everything, whether or not anything is told to have changed.
    pub each: Duration,
    /// How long an ADD may take before its attachment counts as left behind.
    pub grace: Duration,
    /// By which to write annotations that pods read; none is that no pod gets any.
    pub kubeconfig: Option<PathBuf>,
}

/// Why the process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody could read the metrics.
    #[error("failed to serve metrics on {address}\n  hint: choose another address for --metrics, or none")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The attachments cannot be looked at.
    #[error("failed to look at the node's attachments")]
    Attachments(#[source] CniError),
    /// A part of it died, and the rest with it.
    #[error("a task died")]
    Died(#[source] tokio::task::JoinError),
}

/// Looks at everything once, mends it, and tells what was done. What was left behind is told, and stays.
pub fn once(settings: &Settings) -> Result<Round, RunError> {
    let task = Task { which: Which::All, spec: true, collect: Some(BTreeSet::new()) };
    round::run(settings, &task).map_err(RunError::Attachments)
}

/// Runs until told to stop.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    heap::share();
    let (settings, counts) = (Arc::new(settings), Arc::new(Counts::default()));
    let (watch, watching) = Watch::start(&settings.node.database);
    let serving = serve(&settings, &counts, watch.clone()).await?;
    tracing::info!(database = %settings.node.database.display(), "watching");
    let publishing = publish::publish(Arc::clone(&settings), Arc::clone(&counts));
    let keeper = Keeper::of(settings, counts, watch);
    let ended = tokio::select! {
        () = stop => Ok(()),
        ended = keeper.keep() => ended,
        never = publishing => match never {},
        ended = serving => ended.map_err(RunError::Died),
        ended = watching => ended.map_err(RunError::Died),
    };
    tracing::info!("ending; nothing is changed by that");
    ended
}

async fn serve(
    settings: &Arc<Settings>,
    counts: &Arc<Counts>,
    watch: Watch,
) -> Result<impl Future<Output = Result<(), tokio::task::JoinError>> + use<>, RunError> {
    let listener = match settings.metrics {
        Some(address) => {
            let bound = TcpListener::bind(address).await;
            Some(bound.map_err(|source| RunError::Metrics { address, source })?)
        }
        None => None,
    };
    let (settings, counts) = (Arc::clone(settings), Arc::clone(counts));
    Ok(tokio::spawn(async move {
        watch.settled().await;
        match listener {
            Some(listener) => {
                let text = move || {
                    let text = text(&settings, &counts);
                    heap::give_back();
                    text
                };
                flyover_metrics::serve(listener, text).await;
            }
            None => std::future::pending().await,
        }
    }))
}
