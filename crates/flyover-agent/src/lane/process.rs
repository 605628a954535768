//! What a lane keeps running: a thread with a runtime of its own, which is told to end and waited for.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::summary::chain;

/// From its being told to end until it has: it may be in the middle of a step.
const END: Duration = Duration::from_secs(60);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// What runs.
pub(super) struct Process {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Process {
    /// Starts what is made of the future that is ready when it has to end.
    pub(super) fn start<W, F, E>(name: &str, work: W) -> Result<Self, String>
    where
        W: FnOnce(BoxFuture<'static, ()>) -> F + Send + 'static,
        F: Future<Output = Result<(), E>>,
        E: std::error::Error + 'static,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let body = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
            let runtime = runtime.map_err(|error| format!("failed to start a runtime: {error}"))?;
            let work = work(async { drop(stopped.await) }.boxed());
            runtime.block_on(work).map_err(|error| chain(&error))
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        Ok(Self { stop, thread: thread.map_err(|error| format!("failed to start a thread: {error}"))? })
    }

    /// Why what ran ended by itself, if it did; nothing runs then.
    pub(super) fn why_it_ended(running: &mut Option<Self>) -> Option<String> {
        let ended = running.take_if(|running| running.thread.is_finished())?;
        Some(match ended.thread.join() {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(why)) => why,
            Err(_) => "it panicked".to_owned(),
        })
    }

    /// Ends what runs, if anything does.
    pub(super) fn end(running: &mut Option<Self>) -> Result<(), String> {
        let Some(Self { stop, thread }) = running.take() else { return Ok(()) };
        drop(stop);
        let deadline = Instant::now() + END;
        while !thread.is_finished() {
            if Instant::now() > deadline {
                // It was told already: that it is told again at the next try changes nothing.
                *running = Some(Self { stop: oneshot::channel().0, thread });
                return Err(format!("the process did not end within {END:?}"));
            }
            std::thread::sleep(LOOK);
        }
        // How it ended is of no interest any more.
        let _ended = thread.join();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_told_and_says_why_it_ended_by_itself() {
        let mut running = Some(
            Process::start("waits", |stopped| async {
                stopped.await;
                Ok::<_, std::fmt::Error>(())
            })
            .unwrap(),
        );
        assert_eq!(Process::why_it_ended(&mut running), None);
        Process::end(&mut running).unwrap();
        assert!(running.is_none());
        Process::end(&mut running).unwrap();

        running =
            Some(Process::start("fails", |_| async { Err(std::io::Error::other("by itself")) }).unwrap());
        let why = loop {
            if let Some(why) = Process::why_it_ended(&mut running) {
                break why;
            }
            std::thread::sleep(LOOK);
        };
        assert_eq!(why, "by itself");
        assert!(running.is_none());
    }
}
