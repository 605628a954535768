//! The other side: registers plugins as kubelet 1.35 does, its faults included, and shows what it believes.
//!
//! It has a thread and a runtime of its own, so that dropping it is a SIGKILL: all connections break, its socket stays.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use flyover_kubelet::rpc::{self, Answers, Served};
use flyover_kubelet::wire::device::{
    ALLOCATE, AllocateRequest, AllocateResponse, ContainerAllocateRequest, DevicePluginOptions, Empty,
    HEALTHY, LIST_AND_WATCH, ListAndWatchResponse, OPTIONS, REGISTER, RegisterRequest,
};
use futures::stream::unfold;
use tokio::net::UnixListener;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tonic::body::Body;
use tonic::transport::{Channel, Server};
use tonic::{Status, Streaming};

/// More patience than any of this needs on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// How it behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    /// Registrations are refused with this.
    pub(crate) refuses: Option<&'static str>,
    /// Registrations take so long.
    pub(crate) slow: Duration,
    /// It hangs up as soon as it has read the first list.
    pub(crate) fickle: bool,
    /// It takes what registers, and asks for no list.
    pub(crate) deaf: bool,
    /// From when it hangs up on a plugin until it marks as ended whoever has the resource by then.
    pub(crate) dazed: Duration,
}

/// What it believes.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Who registered, in order.
    pub(crate) registered: Vec<RegisterRequest>,
    /// Each list, with the socket that it came from.
    pub(crate) lists: Vec<(String, ListAndWatchResponse)>,
    /// Each resource.
    pub(crate) now: BTreeMap<String, Now>,
}

/// What it believes of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    pub(crate) endpoint: String,
    pub(crate) stopped: bool,
    pub(crate) devices: ListAndWatchResponse,
    pub(crate) options: DevicePluginOptions,
    pub(crate) channel: Channel,
    reader: Option<AbortHandle>,
}

impl View {
    /// How many devices could be given.
    pub(crate) fn allocatable(&self, resource: &str) -> usize {
        let Some(now) = self.now.get(resource).filter(|now| !now.stopped) else { return 0 };
        now.devices.devices.iter().filter(|device| device.health == HEALTHY).count()
    }
}

/// A kubelet that runs.
pub(crate) struct Kubelet {
    view: watch::Receiver<View>,
    thread: Option<JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

impl Kubelet {
    /// Starts in a directory, which it empties of sockets.
    pub(crate) fn start(directory: &Path, manners: Manners) -> Self {
        let (told, view) = watch::channel(View::default());
        let (end, ended) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let directory = directory.to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::spawn(serve(directory, manners, told, ready));
                let _ = ended.await;
            });
        });
        is_ready.recv().expect("it listens");
        Self { view, thread: Some(thread), end: Some(end) }
    }

    /// What it believes.
    pub(crate) fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until it believes something.
    pub(crate) async fn until(&self, what: &str, holds: impl FnMut(&View) -> bool) -> View {
        let mut view = self.view.clone();
        let found = tokio::time::timeout(LIMIT, view.wait_for(holds)).await.map(|view| view.unwrap().clone());
        found.unwrap_or_else(|_| panic!("{what}: {:#?}", self.view()))
    }

    /// Asks for devices, as for a container that is to start.
    pub(crate) async fn allocate(&self, resource: &str, ids: &[&str]) -> Result<AllocateResponse, Status> {
        let request = ContainerAllocateRequest { devices_ids: ids.iter().map(|&id| id.to_owned()).collect() };
        let request = AllocateRequest { container_requests: vec![request] };
        // Not by its own connection, which belongs to another thread's runtime and would break with it.
        rpc::ask(self.view().now[resource].channel.clone(), ALLOCATE, request, LIMIT).await
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it only waits");
        }
    }
}

async fn serve(
    directory: PathBuf,
    manners: Manners,
    told: watch::Sender<View>,
    ready: std::sync::mpsc::Sender<()>,
) {
    fs::create_dir_all(&directory).unwrap();
    for entry in fs::read_dir(&directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_socket() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let listener = UnixListener::bind(directory.join("kubelet.sock")).unwrap();
    ready.send(()).unwrap();
    let accepted =
        unfold(listener, |listener| async { Some((listener.accept().await.map(|it| it.0), listener)) });
    let registry = Registry { directory: directory.into(), manners: manners.into(), told: told.into() };
    Server::builder().serve_with_incoming(Served(registry), accepted).await.unwrap();
}

#[derive(Clone)]
struct Registry {
    directory: Arc<Path>,
    manners: Arc<Manners>,
    told: Arc<watch::Sender<View>>,
}

impl Answers for Registry {
    async fn answer(self, path: String, request: http::Request<Body>) -> http::Response<Body> {
        match path.as_str() {
            REGISTER => rpc::one(request, |asked| self.register(asked)).await,
            _ => rpc::unknown(),
        }
    }
}

impl Registry {
    async fn register(self, asked: RegisterRequest) -> Result<Empty, Status> {
        self.told.send_modify(|view| view.registered.push(asked.clone()));
        tokio::time::sleep(self.manners.slow).await;
        if let Some(why) = self.manners.refuses {
            return Err(Status::unknown(why));
        }
        let failed = |status: Status| Status::unknown(format!("failed to dial: {}", status.message()));
        let channel = rpc::connect(&self.directory.join(&asked.endpoint)).await.map_err(failed)?;
        let options = rpc::ask(channel.clone(), OPTIONS, Empty {}, LIMIT).await?;
        let now = Now {
            endpoint: asked.endpoint.clone(),
            stopped: false,
            devices: ListAndWatchResponse::default(),
            options,
            channel: channel.clone(),
            reader: None,
        };
        // What was listed before stays until there is a new list.
        self.told.send_modify(|view| {
            let before = view.now.remove(&asked.resource_name).map(|now| now.devices).unwrap_or_default();
            view.now.insert(asked.resource_name.clone(), Now { devices: before, ..now });
        });
        if self.manners.deaf {
            return Ok(Empty {});
        }
        let reader = tokio::spawn(self.clone().read(asked.clone(), channel)).abort_handle();
        self.told.send_modify(|view| {
            view.now.get_mut(&asked.resource_name).expect("was just put there").reader = Some(reader);
        });
        Ok(Empty {})
    }

    /// Reads lists until there are no more, and then hangs up on whoever registered this resource last: that need not be
    /// the one whose lists have ended.
    async fn read(self, plugin: RegisterRequest, channel: Channel) {
        let followed = rpc::follow(channel, LIST_AND_WATCH, Empty {}).await;
        if let Ok(mut lists) = followed {
            self.read_all(&plugin, &mut lists).await;
        }
        self.told.send_modify(|view| {
            let now = view.now.get_mut(&plugin.resource_name).expect("is never removed");
            if now.endpoint != plugin.endpoint
                && let Some(reader) = now.reader.take()
            {
                reader.abort();
            }
        });
        tokio::time::sleep(self.manners.dazed).await;
        self.told.send_modify(|view| {
            view.now.get_mut(&plugin.resource_name).expect("is never removed").stopped = true;
        });
    }

    async fn read_all(&self, plugin: &RegisterRequest, lists: &mut Streaming<ListAndWatchResponse>) {
        while let Ok(Some(list)) = lists.message().await {
            self.told.send_modify(|view| {
                view.lists.push((plugin.endpoint.clone(), list.clone()));
                view.now.get_mut(&plugin.resource_name).expect("is never removed").devices = list;
            });
            if self.manners.fickle {
                return;
            }
        }
    }
}
