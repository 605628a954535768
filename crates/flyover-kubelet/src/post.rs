//! Keeps one resource with kubelet, from when it is wanted until it is gone.
//!
//! What kubelet answers to a registration says little: when the stream of an older plugin of the same resource ends, kubelet
//! hangs up on the newer one (seen with 1.35), and a kubelet that ends says nothing at all. So a resource is registered
//! as long as the stream that came of its last registration is read; else it registers again. While that is read it does so
//! only for a new kubelet, or when a rival is gone: kubelet holds on to the older stream as long as we live.
//!
//! Invariant: the socket stands before kubelet is told of it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::directory::{Sight, kubelet};
use crate::name::ResourceName;
use crate::pauses::Pauses;
use crate::registration;
use crate::resource::Resource;
use crate::rivals::Rivals;
use crate::service::{Newest, Service, Streams};
use crate::socket::{self, Socket};
use crate::state::{Board, Registration};

/// How long kubelet may take from a registration until it reads the devices.
const CALL_BACK: Duration = Duration::from_secs(10);
/// A stream that was read for so long ended for a new reason.
const SETTLED: Duration = Duration::from_secs(5);

/// What a resource's task is given.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) name: ResourceName,
    /// The name of its socket.
    pub(crate) endpoint: String,
    pub(crate) directory: Arc<PathBuf>,
    pub(crate) resource: watch::Receiver<Resource>,
    pub(crate) sights: watch::Receiver<Sight>,
    pub(crate) board: Board,
    pub(crate) accepted: mpsc::Sender<UnixStream>,
    pub(crate) streams: Streams,
}

type Asked = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// Where a registration is.
enum Step {
    /// Kubelet is asked when the time has come, if it is there at all.
    Due(Option<Instant>),
    /// Kubelet is being asked. Streams with later numbers than this come of it.
    Asking { asked: Asked, after: u64, began: Instant },
    /// Kubelet said yes, and is to read the devices until then.
    Told { after: u64, began: Instant, until: Instant },
    /// Kubelet reads the devices.
    Read { began: Instant, since: Instant },
}

/// What a resource's task remembers.
struct Keeper {
    post: Post,
    rivals: Rivals,
    socket: Option<Socket>,
    sight: Sight,
    newest: watch::Receiver<Newest>,
    step: Step,
    pauses: Pauses,
}

impl Post {
    /// What answers kubelet.
    pub(crate) fn service(&self) -> Service {
        Service {
            name: self.name.clone(),
            resource: self.resource.clone(),
            streams: self.streams.clone(),
            board: self.board.clone(),
        }
    }

    /// Runs until the resource's sender is gone. Its socket goes with it.
    pub(crate) async fn keep(self) {
        let (name, board) = (self.name.clone(), self.board.clone());
        let mut gone = self.resource.clone();
        let keeper = Keeper {
            rivals: Rivals::of(socket::stem(&self.name), self.endpoint.clone()),
            socket: None,
            sight: Sight::default(),
            newest: self.streams.read(),
            step: Step::Due(None),
            pauses: Pauses::default(),
            post: self,
        };
        tokio::select! {
            () = keeper.run() => {}
            () = async { while gone.changed().await.is_ok() {} } => {}
        }
        board.forget(&name);
    }
}

impl Keeper {
    async fn run(mut self) {
        self.wait("kubelet is not there");
        self.look();
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.post.sights.changed() => self.look(),
                Ok(()) = self.newest.changed() => self.streams_changed(),
                answer = step(&mut self.step, &self.rivals) => match answer {
                    Some(Answer { answer, after, began }) => self.answered(answer, after, began),
                    None => self.ask(),
                },
            }
        }
    }

    /// Looks after the socket, for a new kubelet, and for rivals.
    fn look(&mut self) {
        let seen = self.post.sights.borrow_and_update().clone();
        if self.socket.as_ref().is_none_or(|socket| !socket.stands()) {
            self.listen();
        }
        self.rivals.see(&seen.plugins);
        let new = seen.kubelet != self.sight.kubelet;
        self.sight = seen;
        if !new {
            return;
        }
        self.pauses.reset();
        self.rivals.forget();
        if self.sight.kubelet.is_some() {
            self.step = Step::Due(Some(Instant::now()));
        } else if !matches!(self.step, Step::Read { .. }) {
            self.step = Step::Due(None);
            self.wait("kubelet is not there");
        }
    }

    fn listen(&mut self) {
        // The old one is dropped first: it may only remove what is its own.
        self.socket = None;
        let path = self.post.directory.join(&self.post.endpoint);
        match Socket::listen(path, self.post.accepted.clone()) {
            Ok(socket) => self.socket = Some(socket),
            Err(error) if !matches!(self.step, Step::Read { .. }) => {
                let directory = self.post.directory.display();
                self.wait(&format!("failed to make a socket in `{directory}`: {error}"));
            }
            Err(_) => {}
        }
    }

    fn ask(&mut self) {
        if matches!(self.step, Step::Told { .. }) {
            self.wait("kubelet took the resource, and does not read its devices");
        }
        if self.socket.as_ref().is_none_or(|socket| !socket.stands()) {
            self.listen();
        }
        if self.socket.is_none() {
            self.later();
            return;
        }
        let asked = registration::ask(
            kubelet(&self.post.directory),
            registration::of(&self.post.name, &self.post.endpoint),
        );
        let (after, began) = (self.newest.borrow().number, Instant::now());
        self.step = Step::Asking { asked: Box::pin(asked), after, began };
    }

    fn answered(&mut self, answer: Result<(), Status>, after: u64, began: Instant) {
        match answer {
            Ok(()) => {
                self.step = Step::Told { after, began, until: Instant::now() + CALL_BACK };
                self.streams_changed();
            }
            Err(status) => {
                self.post.board.register(&self.post.name, registration::standing(&status));
                self.later();
            }
        }
    }

    fn streams_changed(&mut self) {
        let newest = *self.newest.borrow_and_update();
        match self.step {
            Step::Told { after, began, .. } if newest.number > after && newest.open => {
                self.step = Step::Read { began, since: Instant::now() };
                self.post.board.register(&self.post.name, Registration::Registered);
            }
            Step::Told { after, .. } if newest.number > after => self.lost(Duration::ZERO),
            Step::Read { since, .. } if !newest.open => self.lost(since.elapsed()),
            _ => {}
        }
    }

    /// Kubelet no longer reads the devices.
    fn lost(&mut self, after: Duration) {
        self.wait("kubelet stopped reading the devices");
        self.rivals.hung_up();
        if after > SETTLED {
            self.pauses.reset();
        }
        if self.sight.kubelet.is_some() {
            self.later();
        } else {
            self.step = Step::Due(None);
        }
    }

    fn later(&mut self) {
        self.step = Step::Due(Some(Instant::now() + self.pauses.next()));
    }

    fn wait(&self, why: &str) {
        self.post.board.register(&self.post.name, Registration::Waiting { why: why.to_owned() });
    }
}

/// What kubelet said.
struct Answer {
    answer: Result<(), Status>,
    after: u64,
    began: Instant,
}

/// Waits for the next thing to do: to hear an answer, or to ask.
async fn step(step: &mut Step, rivals: &Rivals) -> Option<Answer> {
    let at = match step {
        Step::Asking { asked, after, began } => {
            return Some(Answer { answer: asked.await, after: *after, began: *began });
        }
        Step::Due(at) => *at,
        Step::Told { until, .. } => Some(*until),
        Step::Read { began, .. } => rivals.again(*began),
    };
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
    None
}
