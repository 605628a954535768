//! The operator as a process: what it is told by its arguments, what it serves, and how it ends.
//!
//! Invariants: a task that ends ends the process; who is asked to end finishes the act that is under way and lets go of the
//! lease, so that the next one need not wait for it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use flyover_api::resource::marks::{NAMESPACE, OPERATOR_PORT};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::engine::Engine;
use crate::events::Teller;
use crate::hands::Hands;
use crate::lease::Candidate;
use crate::metrics::Metrics;
use crate::watches;

/// How many changes may wait to be taken in.
const WAITING: usize = 1024;

/// What a process of the operator is told.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "flyover-operator", version, about = "Decides which node has what, and when")]
pub struct Options {
    /// How the API server is reached; without it, as a pod reaches it.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Who this is among several operators.
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value = "flyover-operator")]
    pub identity: String,
    /// Where the lease is that says which of them leads.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = NAMESPACE)]
    pub namespace: String,
    /// Where metrics and health are served.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from(([0, 0, 0, 0], OPERATOR_PORT)))]
    pub listen: SocketAddr,
}

/// Runs the operator until `stop` says so.
pub async fn run(options: Options, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let config = config(options.kubeconfig.as_deref()).await?;
    let metrics = Arc::new(Metrics::default());
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("failed to listen on {}", options.listen))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, Arc::clone(&metrics)));
    let served = with_metrics(config, &options, metrics, stop);
    tokio::select! {
        done = served => done,
        _ = tasks.join_next() => anyhow::bail!("the server of metrics ended"),
    }
}

/// Runs it against a server that is known, without serving anything.
pub async fn lead(config: Config, options: &Options, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    with_metrics(config, options, Arc::new(Metrics::default()), stop).await
}

async fn with_metrics(
    mut config: Config,
    options: &Options,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    // A pod that may not leave is no fault of the server, which the client would ask again; what else fails is tried again by us.
    config.default_retry = false;
    let client = Client::try_from(config).context("failed to reach the API server")?;
    let (to, told) = mpsc::channel(WAITING);
    let mut tasks = watches::begin(&client, &to).await.context("failed to watch the cluster")?;
    drop(to);
    let leases = Api::namespaced(client.clone(), &options.namespace);
    let (candidate, leading) = Candidate::new(leases, options.identity.clone());
    let (mut renewing, let_go) = renew(candidate);
    let (teller, writing) = Teller::new(client.clone(), &options.identity);
    tasks.spawn(writing);
    let hands = Hands::new(client, leading.clone());
    let engine = Engine::new(hands, leading, teller, metrics);
    let stopped = tokio::select! {
        () = engine.run(told, stop.clone()) => *stop.borrow(),
        _ = &mut renewing.0 => false,
        _ = tasks.join_next() => false,
    };
    drop(let_go);
    if let Err(error) = (&mut renewing.0).await {
        tracing::warn!(%error, "the lease's task ended");
    }
    anyhow::ensure!(stopped, "a part of the operator ended that should not");
    Ok(())
}

/// A task that ends when whoever began it is dropped.
struct Bound(JoinHandle<()>);

impl Drop for Bound {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Wants to lead until the sender is dropped, then lets go.
fn renew(mut candidate: Candidate) -> (Bound, oneshot::Sender<()>) {
    let (let_go, asked) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = candidate.run() => {}
            _ = asked => {}
        }
        candidate.release().await;
    });
    (Bound(task), let_go)
}

async fn config(kubeconfig: Option<&std::path::Path>) -> anyhow::Result<Config> {
    let Some(path) = kubeconfig else {
        return Config::incluster().context("failed to find the API server of this pod");
    };
    let read = Kubeconfig::read_from(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    config.with_context(|| format!("failed to make sense of `{}`", path.display()))
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let (alive, ready) = (Arc::clone(&metrics), Arc::clone(&metrics));
    let health = flyover_metrics::Health::new(move || alive.is_alive(), move || ready.is_ready());
    flyover_metrics::serve_with_health(listener, move || metrics.text(), health).await;
}
