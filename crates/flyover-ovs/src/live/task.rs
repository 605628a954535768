//! The task that talks to the server: connects, moves bytes, and connects again.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::conversation::Conversation;
use super::remote::{Remote, Stream};
use super::state::Shared;
use super::{Ask, Patience};
use crate::error::OvsError;

/// Nobody is left who could ask for something.
struct Unwanted;

pub(super) async fn run(
    remote: Arc<Remote>,
    shared: Arc<Shared>,
    mut asks: mpsc::Receiver<Ask>,
    patience: Patience,
) {
    let remote = remote.as_ref();
    let mut pause = patience.shortest_pause;
    let mut why = "not connected yet".to_owned();
    loop {
        let limit = patience.limit;
        let connecting = timeout(limit, remote.connect());
        let Ok(connected) = meanwhile(connecting, &mut asks, remote, &why).await else { return };
        let late = || OvsError::Late { path: path(remote), what: "accept a connection".to_owned(), limit };
        let error = match connected.unwrap_or_else(|_| Err(late())) {
            Ok(stream) => {
                let mut open = Open::of(stream, remote, &shared, patience);
                let Err(error) = open.talk(&mut asks).await else { return };
                if open.conversation.synced() {
                    pause = patience.shortest_pause;
                }
                error
            }
            Err(error) => error,
        };
        why = told(&error);
        shared.write(|state| state.down(why.clone()));
        let Ok(()) = meanwhile(sleep(with_jitter(pause)), &mut asks, remote, &why).await else { return };
        pause = (pause * 2).min(patience.longest_pause);
    }
}

/// An open connection.
struct Open<'a> {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    conversation: Conversation,
    unsent: Vec<u8>,
    remote: &'a Remote,
    shared: &'a Shared,
    probe: Duration,
}

impl<'a> Open<'a> {
    fn of(stream: Box<dyn Stream>, remote: &'a Remote, shared: &'a Shared, patience: Patience) -> Self {
        let (reader, writer) = split(stream);
        let conversation = shared.read(Conversation::begin);
        Self { reader, writer, conversation, unsent: Vec::new(), remote, shared, probe: patience.probe }
    }

    /// Talks until the connection breaks, or until nobody wants it any more.
    async fn talk(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<Unwanted, OvsError> {
        let mut bytes = vec![0; 64 << 10];
        let mut silence = Instant::now() + self.probe;
        let mut probed = false;
        loop {
            self.unsent.extend(self.conversation.outgoing());
            tokio::select! {
                read = self.reader.read(&mut bytes) => {
                    let count = read.and_then(not_the_end).map_err(|source| lost(self.remote, source))?;
                    self.conversation.receive(&bytes[..count], self.shared, &self.remote.to_string())?;
                    (silence, probed) = (Instant::now() + self.probe, false);
                }
                written = self.writer.write(&self.unsent), if !self.unsent.is_empty() => {
                    let count = written.and_then(not_the_end).map_err(|source| lost(self.remote, source))?;
                    self.unsent.drain(..count);
                    // What TLS has taken may still be with it.
                    let flushed = timeout(self.probe, self.writer.flush()).await;
                    let flushed = flushed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                    flushed.map_err(|source| lost(self.remote, source))?;
                }
                ask = asks.recv() => match ask {
                    Some(ask) => self.conversation.ask(ask),
                    None => return Ok(Unwanted),
                },
                () = sleep_until(silence) => {
                    if probed {
                        let what = "answer echo".to_owned();
                        return Err(OvsError::Late { path: path(self.remote), what, limit: self.probe });
                    }
                    self.conversation.probe();
                    (silence, probed) = (Instant::now() + self.probe, true);
                }
            }
        }
    }
}

/// Waits for something, and meanwhile tells whoever asks that there is no connection.
async fn meanwhile<T>(
    future: impl Future<Output = T>,
    asks: &mut mpsc::Receiver<Ask>,
    remote: &Remote,
    why: &str,
) -> Result<T, Unwanted> {
    let mut future = pin!(future);
    loop {
        tokio::select! {
            done = &mut future => return Ok(done),
            ask = asks.recv() => {
                let ask = ask.ok_or(Unwanted)?;
                let error = OvsError::Down { remote: remote.to_string(), why: why.to_owned() };
                // Whoever asked may have given up.
                let _told = ask.answer.send(Err(error));
            }
        }
    }
}

/// From half of a pause to all of it, so that those who lost the same server do not all come back at once.
fn with_jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) >> 32;
    pause / 2 + pause.mul_f64(random as f64 / f64::from(u32::MAX) / 2.0)
}

fn not_the_end(count: usize) -> io::Result<usize> {
    if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
}

fn lost(remote: &Remote, source: io::Error) -> OvsError {
    OvsError::Lost { path: path(remote), source }
}

fn path(remote: &Remote) -> std::path::PathBuf {
    remote.to_string().into()
}

/// An error with its causes: readers of the state have no chain to walk.
fn told(error: &OvsError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}
