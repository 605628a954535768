//! All resources of a node, each with a task of its own.
//!
//! Invariants: what is no longer wanted is emptied before its task ends, and what only ends with the process is not, since
//! the next process will have it; a task that died ends the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::unfold;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::Server;

use crate::directory::{self, Sight};
use crate::error::KubeletError;
use crate::name::ResourceName;
use crate::post::Post;
use crate::resource::{Resource, Resources};
use crate::rivals::REST;
use crate::rpc::Served;
use crate::service::Streams;
use crate::socket;
use crate::state::{Board, States};

/// How often kubelet's directory is looked at, though nothing is told of it.
const EACH: Duration = Duration::from_secs(5);
/// How long kubelet may take to read the last list.
const FAREWELL: Duration = Duration::from_secs(2);
/// More connections than this wait at the door.
const QUEUE: usize = 16;

/// A device plugin for all resources of a node.
#[derive(Clone, Debug)]
pub struct Plugin {
    board: Board,
}

/// What the plugin's task remembers.
struct Keeper {
    directory: Arc<PathBuf>,
    board: Board,
    sights: watch::Receiver<Sight>,
    held: BTreeMap<ResourceName, Held>,
    turns: BTreeMap<ResourceName, Turn>,
    tasks: JoinSet<()>,
}

/// One task at a time has a resource; when the last one ended.
type Turn = Arc<Mutex<Option<Instant>>>;

/// A resource that is wanted. Its task ends when the sender is gone.
struct Held {
    sender: watch::Sender<Resource>,
    endpoint: String,
}

impl Plugin {
    /// Publishes what comes through `resources` to the kubelet whose directory of device plugins is given, until `stop`. The
    /// task ends then, and panics if a part of it did.
    pub fn start(
        directory: impl Into<PathBuf>,
        resources: watch::Receiver<Resources>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(Self, JoinHandle<()>), KubeletError> {
        let directory = Arc::new(directory.into());
        socket::check(&directory)?;
        let board = Board::empty();
        let (told, sights) = watch::channel(Sight::default());
        let looking = directory::look(directory.as_ref().clone(), EACH, told);
        let keeper = Keeper {
            directory,
            board: board.clone(),
            sights,
            held: BTreeMap::new(),
            turns: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        Ok((Self { board }, tokio::spawn(keeper.run(resources, looking, stop))))
    }

    /// What has become of each resource.
    #[must_use]
    pub fn state(&self) -> States {
        self.board.read().borrow().clone()
    }

    /// The same, for those who wait for changes.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<States> {
        self.board.read()
    }
}

impl Keeper {
    async fn run(
        mut self,
        mut resources: watch::Receiver<Resources>,
        looking: impl Future<Output = ()> + Send + 'static,
        stop: impl Future<Output = ()>,
    ) {
        let mut sights = self.sights.clone();
        let mut stop = pin!(stop);
        let mut looking = pin!(looking);
        loop {
            self.settle(&resources.borrow_and_update().clone());
            tokio::select! {
                () = &mut stop => break,
                () = &mut looking => {}
                Ok(()) = sights.changed() => self.sweep(&sights.borrow_and_update().plugins),
                // Without a sender, what was wanted last is wanted.
                Ok(()) = resources.changed() => {}
                Some(ended) = self.tasks.join_next() => survive(ended),
            }
        }
        self.held.clear();
        while let Some(ended) = self.tasks.join_next().await {
            survive(ended);
        }
    }

    /// Removes sockets whose process is dead. The living are asked each time.
    fn sweep(&mut self, sockets: &BTreeSet<String>) {
        let strangers = sockets.iter().filter(|name| self.held.values().all(|held| held.endpoint != **name));
        let strangers: Vec<_> = strangers.map(|name| self.directory.join(name)).collect();
        if !strangers.is_empty() {
            self.tasks.spawn(socket::sweep(strangers));
        }
    }

    fn settle(&mut self, wanted: &Resources) {
        self.held.retain(|name, held| {
            let stays = wanted.contains_key(name);
            if !stays {
                held.sender.send_modify(|resource| *resource = resource.emptied());
            }
            stays
        });
        for (name, resource) in wanted {
            match self.held.get(name) {
                Some(held) => drop(held.sender.send_if_modified(|held| {
                    let differs = held != resource;
                    held.clone_from(resource);
                    differs
                })),
                None => self.begin(name, resource.clone()),
            }
        }
    }

    fn begin(&mut self, name: &ResourceName, resource: Resource) {
        let (sender, resource) = watch::channel(resource);
        let endpoint = socket::name(name);
        self.held.insert(name.clone(), Held { sender, endpoint: endpoint.clone() });
        let turn = Arc::clone(self.turns.entry(name.clone()).or_default());
        let (name, directory) = (name.clone(), Arc::clone(&self.directory));
        let (sights, board) = (self.sights.clone(), self.board.clone());
        self.tasks.spawn(async move {
            // A resource that comes back waits until kubelet is done with the last task of it.
            let mut ended = turn.lock_owned().await;
            if let Some(ended) = *ended {
                sleep_until(ended + REST).await;
            }
            let (accepted, accepting) = mpsc::channel(QUEUE);
            let streams = Streams::none();
            let post = Post { name, endpoint, directory, resource, sights, board, accepted, streams };
            keep(post, accepting).await;
            *ended = Some(Instant::now());
        });
    }
}

/// Keeps a resource, and serves it until kubelet has read what was sent last.
async fn keep(post: Post, accepting: mpsc::Receiver<UnixStream>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let connections = unfold(accepting, |mut accepting| async {
        Some((Ok::<_, std::io::Error>(accepting.recv().await?), accepting))
    });
    let stopped = async {
        // Both ways of hearing of it are the same.
        let _ = stopped.await;
    };
    let service = Served(post.service());
    let mut serving =
        tokio::spawn(Server::builder().serve_with_incoming_shutdown(service, connections, stopped));
    tokio::select! {
        () = post.keep() => {}
        // It cannot end before, but by dying.
        ended = &mut serving => return survive(ended.map(drop)),
    }
    drop(stop);
    match timeout(FAREWELL, &mut serving).await {
        Ok(ended) => survive(ended.map(drop)),
        // What is left are connections without streams, which kubelet does not close.
        Err(_) => serving.abort(),
    }
}

/// A task that died takes the others with it.
fn survive(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}
