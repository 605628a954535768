//! The process: hears, has the lanes moved one after the other, and tells.
//!
//! Invariants: one lane is worked on at a time, on a thread that may block; the switch after the profile it stands on, and
//! before it on the way back. Without the API server it goes on with what was heard last.

mod keeper;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flyover_api::resource::Lane;
use flyover_fastpath::Instance;
use flyover_host::node::Node;
use flyover_host::root::HostRoot;
use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::cni::Plugin;
use crate::devices::{self, Offer};
use crate::follow::{Heard, follow};
use crate::known::Known;
use crate::lane::{FASTPATH_INSTANCE, FastPathLane, ProfileLane, Runner, SwitchLane};
use crate::pods::{Chooser, choose};
use crate::status::{Board, publish, report};
use keeper::Keeper;

/// How often the lanes are looked at, whether or not anything was heard.
const EACH: Duration = Duration::from_secs(60);
/// The same where a lane waits for something that nobody will tell of, such as the end of a pod or of who holds hugepages.
const WAITS: Duration = Duration::from_secs(5);
/// How long what is being done may go on after the end was asked for. What is cut off then is continued by the next agent.
const LAST: Duration = Duration::from_secs(20);

/// An agent of a node.
pub struct Agent {
    /// The node's name.
    pub node: String,
    /// The host it is.
    pub host: HostRoot,
    /// The way to the API server.
    pub client: Client,
    /// How often the lanes are looked at, whether or not anything was heard.
    pub each: Duration,
    /// The address by which the other nodes know it.
    pub host_ip: Option<IpAddr>,
    /// The kubelet's directory of device plugins, where there is one.
    pub kubelet: Option<PathBuf>,
    /// The CNI plugin, where it is to be installed.
    pub plugin: Option<Plugin>,
}

/// Why the agent ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A part of it died, and the rest with it.
    #[error("a task died")]
    Died(#[source] JoinError),
    /// A part of it ended, which none does by itself.
    #[error("the {0} ended by itself")]
    Ended(&'static str),
}

impl Agent {
    /// An agent that looks as often as usual.
    #[must_use]
    pub fn new(node: String, host: HostRoot, client: Client) -> Self {
        Self { node, host, client, each: EACH, host_ip: None, kubelet: None, plugin: None }
    }

    fn runner(&self, lane: Lane, pods: &Chooser, offer: &Offer) -> Box<dyn Runner> {
        let host = self.host.clone();
        match lane {
            Lane::Profile => Box::new(ProfileLane::of(Node::of(host, Vec::new()))),
            Lane::FastPath => Box::new(FastPathLane::new(host.root(), self.host_ip, pods)),
            Lane::Switch => Box::new(SwitchLane::new(host, self.plugin.clone(), offer.clone())),
        }
    }

    /// Runs until told to stop; the node stays as it is.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), AgentError> {
        let (board, ear) = Board::new();
        let board = Arc::new(board);
        let (speaks, heard) = watch::channel(None);
        let (client, node) = (self.client.clone(), self.node.clone());
        let following = tokio::spawn(follow(client.clone(), node.clone(), speaks));
        let reporting = tokio::spawn(report(
            client.clone(),
            node.clone(),
            (board.told.subscribe(), ear.questions),
            heard.clone(),
        ));
        let publishing = tokio::spawn(publish(client, node, ear.events, heard.clone()));
        let (pods, choosing) = choose(self.client.clone(), self.node.clone(), kept_choice(&self.host));
        let choosing = tokio::spawn(choosing);
        let offer = Offer::new();
        let (kubelet, offering) = (self.kubelet.clone(), offer.clone());
        let offering = tokio::spawn(async move {
            match kubelet {
                Some(kubelet) => devices::publish(kubelet, offering).await,
                None => std::future::pending().await,
            }
        });
        let known = Known::read(&self.host);
        let runner = |lane| self.runner(lane, &pods, &offer);
        let keeper = Keeper::new(&self.host, &runner, (known, offer.resources()), board);
        let ended = |name: &'static str| {
            move |ended: Result<(), JoinError>| match ended {
                Ok(()) => Err(AgentError::Ended(name)),
                Err(error) => Err(AgentError::Died(error)),
            }
        };
        tokio::select! {
            done = keep(keeper, heard, self.each, stop) => done,
            done = following => ended("watch of the NodeState")(done),
            done = reporting => ended("report of the status")(done),
            done = offering => ended("device plugin")(done),
            done = choosing => ended("choice of pods")(done),
            done = publishing => ended("publishing of events")(done),
        }
    }
}

/// Which pods were chosen is kept beside what the bypass itself keeps, and goes with it.
fn kept_choice(host: &HostRoot) -> PathBuf {
    let instance = Instance::new(host.root(), FASTPATH_INSTANCE).expect("the name of the instance is a name");
    instance.report().with_file_name("choice.json")
}

async fn keep(
    mut keeper: Keeper,
    mut heard: watch::Receiver<Option<Heard>>,
    each: Duration,
    stop: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let mut stop = std::pin::pin!(stop);
    // What was heard last is looked at before anything new is heard.
    let mut next = Instant::now();
    loop {
        let news = tokio::select! {
            () = &mut stop => return Ok(()),
            changed = heard.changed() => match changed {
                Ok(()) => heard.borrow_and_update().clone(),
                Err(_) => return Err(AgentError::Ended("watch of the NodeState")),
            },
            () = tokio::time::sleep_until(next) => None,
        };
        let mut working = tokio::task::spawn_blocking(move || {
            keeper.turn(news);
            keeper
        });
        let done = tokio::select! {
            done = &mut working => done,
            () = &mut stop => return end(working).await,
        };
        keeper = done.map_err(AgentError::Died)?;
        let each = if keeper.waits() { each.min(WAITS) } else { each };
        next = Instant::now() + each;
    }
}

async fn end(working: tokio::task::JoinHandle<Keeper>) -> Result<(), AgentError> {
    match tokio::time::timeout(LAST, working).await {
        Ok(done) => done.map(drop).map_err(AgentError::Died),
        Err(_) => {
            tracing::warn!("what is being done is cut off; the next agent goes on with it");
            Ok(())
        }
    }
}
