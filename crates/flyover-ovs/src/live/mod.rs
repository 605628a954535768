//! A connection that stays: tables that are always as the server's, and changes made through it.
//!
//! One task talks to the server. It connects again when the connection breaks, waiting longer each time, and takes up
//! where it was. Whoever reads the tables or asks for something only meets the task's state.
//!
//! Invariants: a request is never sent twice, so what was asked on a connection that broke is an error, and the caller
//! knows that it may or may not have been done. What nobody has read yet takes no more room than the tables themselves.

mod conversation;
mod remote;
mod state;
mod task;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::OPEN_VSWITCH;
use crate::cache::Cache;
use crate::error::OvsError;
use crate::tables::{OpenVswitch, Table};
use crate::transaction::{Committed, Transaction};

pub use remote::Remote;
pub use state::{Link, News};
pub use tls::TlsFiles;

use state::Shared;

/// How patient a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long an answer may take.
    pub limit: Duration,
    /// After how long a silence the server is asked whether it is there; so long again it may take to answer.
    pub probe: Duration,
    /// How long to wait before connecting for the second time. It is doubled each time,
    pub shortest_pause: Duration,
    /// but is never longer than this.
    pub longest_pause: Duration,
}

/// A connection that stays. Copies share it; it ends when the last one goes.
#[derive(Clone, Debug)]
pub struct Live {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Ask>,
    remote: Arc<Remote>,
    limit: Duration,
}

/// Something that is asked for, and where the answer goes.
#[derive(Debug)]
struct Ask {
    method: &'static str,
    params: Value,
    answer: oneshot::Sender<Result<Value, OvsError>>,
}

/// More requests than this wait at the door of the task.
const QUEUE: usize = 64;

impl Default for Patience {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(10),
            probe: Duration::from_secs(5),
            shortest_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(8),
        }
    }
}

impl Live {
    /// Connects, now or as soon as the server is there. The task ends only when the last copy is gone; whoever joins it
    /// learns if it died.
    #[must_use]
    pub fn start(remote: Remote, cache: Cache, patience: Patience) -> (Self, JoinHandle<()>) {
        let cache = if cache.database() == OPEN_VSWITCH { cache.watching::<OpenVswitch>() } else { cache };
        let (asks, asked) = mpsc::channel(QUEUE);
        let (shared, remote) = (Arc::new(Shared::of(cache)), Arc::new(remote));
        let task = task::run(Arc::clone(&remote), Arc::clone(&shared), asked, patience);
        (Self { shared, asks, remote, limit: patience.limit }, tokio::spawn(task))
    }

    /// All rows of a kind, as last told.
    pub fn rows<T: Table>(&self) -> Result<Vec<T>, OvsError> {
        self.shared.read(|state| state.cache.rows::<T>())
    }

    /// Whether there is a connection, and why not.
    #[must_use]
    pub fn link(&self) -> Link {
        self.shared.read(|state| state.link.clone())
    }

    /// Waits for news and takes them: each is told to one caller.
    pub async fn news(&self) -> News {
        let mut version = self.shared.versions();
        loop {
            version.mark_unchanged();
            if let Some(news) = self.shared.take_news() {
                return news;
            }
            // The sender is in `shared`, which is held here, so this does not fail.
            let _changed = version.changed().await;
        }
    }

    /// Waits until there is a connection and the tables are the server's.
    pub async fn ready(&self) -> Result<(), OvsError> {
        let ready = self.until(Instant::now() + self.limit, |state| state.link == Link::Up);
        ready.await.map_err(|()| match self.link() {
            Link::Down { why } => OvsError::Down { remote: self.remote.to_string(), why },
            Link::Up => self.late("stay connected"),
        })
    }

    /// Does a transaction.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Committed, OvsError> {
        transaction.outcome(self.call("transact", transaction.params()).await?)
    }

    /// Does a transaction and waits until `ovs-vswitchd` has carried it out, as [`Client::apply`](crate::Client::apply).
    pub async fn apply(&self, transaction: &Transaction) -> Result<Committed, OvsError> {
        let end = Instant::now() + self.limit;
        let mut transaction = transaction.clone();
        transaction.ask_to_apply();
        let committed = self.transact(&transaction).await?;
        let next = committed.next_cfg().unwrap_or(0);
        let applied = self.until(end, |state| {
            state.cache.rows::<OpenVswitch>().is_ok_and(|rows| rows.iter().any(|row| row.cur_cfg >= next))
        });
        let what = format!("apply configuration {next}, which is committed,");
        applied.await.map(|()| committed).map_err(|()| self.late(&what))
    }

    /// Asks for a lock, and again on every later connection. Whether it is held now; [`News::locks`] tells when it comes
    /// and goes. Who is robbed of it waits for it again.
    pub async fn lock(&self, name: &str) -> Result<bool, OvsError> {
        if let Some(held) = self.shared.read(|state| state.lock(name)) {
            return Ok(held);
        }
        let got = self.call("lock", json!([name])).await?;
        Ok(got.get("locked").and_then(Value::as_bool).unwrap_or(false))
    }

    /// Takes a lock from whoever has it.
    pub async fn steal(&self, name: &str) -> Result<(), OvsError> {
        match self.shared.read(|state| state.lock(name)) {
            Some(true) => return Ok(()),
            // A server refuses those who wait in the queue.
            Some(false) => self.unlock(name).await?,
            None => {}
        }
        self.call("steal", json!([name])).await.map(drop)
    }

    /// Gives a lock back, or no longer waits for it.
    pub async fn unlock(&self, name: &str) -> Result<(), OvsError> {
        self.shared.write(|state| state.forget_lock(name));
        self.call("unlock", json!([name])).await.map(drop)
    }

    /// Asks for anything.
    pub async fn call(&self, method: &'static str, params: Value) -> Result<Value, OvsError> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            let lost = |()| OvsError::Lost {
                path: self.remote.to_string().into(),
                source: std::io::ErrorKind::ConnectionReset.into(),
            };
            self.asks.send(Ask { method, params, answer }).await.map_err(|_| lost(()))?;
            answered.await.map_err(|_| lost(()))?
        };
        timeout(self.limit, asked).await.unwrap_or_else(|_| Err(self.late(&format!("answer {method}"))))
    }

    async fn until(&self, end: Instant, holds: impl Fn(&state::State) -> bool) -> Result<(), ()> {
        let mut version = self.shared.versions();
        loop {
            version.mark_unchanged();
            if self.shared.read(&holds) {
                return Ok(());
            }
            timeout_at(end, version.changed()).await.map_err(|_| ())?.map_err(|_| ())?;
        }
    }

    fn late(&self, what: &str) -> OvsError {
        OvsError::Late { path: self.remote.to_string().into(), what: what.to_owned(), limit: self.limit }
    }
}
