//! Ctrl-C, and whatever else asks the demo to end: what it waits for ends, so that it fails, and takes its cluster away.
//!
//! Invariant: a signal ends nothing but what the demo started before it came; what takes the cluster away comes after.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

/// How often somebody who waits looks whether to go on.
const LOOK: Duration = Duration::from_millis(50);

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on. The second of two signals finds nothing more to do.
pub(super) fn listen() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.context("failed to listen for signals")?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals = {
        let _inside = runtime.enter();
        kinds.map(signal)
    };
    let [interrupt, terminate, hangup] = signals;
    let (mut interrupt, mut terminate, mut hangup) = (interrupt?, terminate?, hangup?);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        ASKED.store(true, Ordering::SeqCst);
        end_children();
        // The handlers stay: what comes now must not end the taking away.
        drop((interrupt, terminate, hangup));
    });
    Ok(())
}

/// An error once it was asked to end.
pub(super) fn check() -> anyhow::Result<()> {
    ensure!(!ASKED.load(Ordering::SeqCst), "the demo was told to end");
    Ok(())
}

/// What fails after that fails because of it.
pub(super) fn explain<T>(done: anyhow::Result<T>) -> anyhow::Result<T> {
    done.or_else(|error| check().and(Err(error)))
}

/// Waits, unless it is asked to end.
pub(super) fn sleep(time: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        check()?;
        thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// Those that this program started, by their ids, whichever thread it was.
fn end_children() {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    for id in children.flat_map(|ids| ids.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<i32>>()) {
        // One that is gone already needs no end.
        let _gone = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}
