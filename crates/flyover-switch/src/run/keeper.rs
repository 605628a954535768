//! The loop: when to look, and at what.
//!
//! Invariants: one round runs at a time, on a thread of its own; what fails is looked at again soon, and what waits for the
//! daemon as soon as that answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flyover_cni_core::names::AttachmentId;
use flyover_cni_core::switch as attachments;
use tokio::time::{Instant, sleep, sleep_until};

use super::counts::Counts;
use super::heap;
use super::round::{self, Round, Task, Which};
use super::watch::Watch;
use super::{RunError, Settings};

/// Changes that come together are looked at together.
const PAUSE: Duration = Duration::from_millis(50);
/// After a round in which something failed.
const AGAIN: Duration = Duration::from_secs(3);
/// Of so many full looks one is at the rows of all attachments, which the switch tells of by itself.
const DEEP: u64 = 20;
/// Between two questions to a daemon that did not answer.
const ASK: Duration = Duration::from_millis(200);

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// All is as it should be.
    Well,
    /// Something could not be done, and is tried again soon.
    Failed,
    /// The daemon did not answer; when it does, all is looked at.
    Silent,
}

/// What the loop remembers.
pub(super) struct Keeper {
    settings: Arc<Settings>,
    counts: Arc<Counts>,
    watch: Watch,
    /// Left behind, as of the last full look.
    suspected: BTreeSet<AttachmentId>,
    looks: u64,
}

impl Keeper {
    pub(super) fn of(settings: Arc<Settings>, counts: Arc<Counts>, watch: Watch) -> Self {
        Self { settings, counts, watch, suspected: BTreeSet::new(), looks: 0 }
    }

    /// Keeps until the process ends.
    pub(super) async fn keep(mut self) -> Result<(), RunError> {
        self.watch.settled().await;
        self.watch.forget();
        let mut due = Instant::now();
        let mut task = self.look();
        loop {
            let ended = self.round(task).await?;
            if Instant::now() >= due {
                due = Instant::now() + self.settings.each;
            }
            let next = if ended == Ended::Failed { due.min(Instant::now() + AGAIN) } else { due };
            task = tokio::select! {
                told = self.watch.changed() => {
                    sleep(PAUSE).await;
                    self.watch.and(told)
                }
                () = sleep_until(next) => self.look(),
                () = self.answers(), if ended == Ended::Silent => {
                    tracing::info!("ovs-vswitchd answers again");
                    Task { which: Which::All, spec: true, collect: None }
                }
            };
        }
    }

    /// Waits until the daemon answers.
    async fn answers(&self) {
        loop {
            let settings = Arc::clone(&self.settings);
            let asked = tokio::task::spawn_blocking(move || attachments::daemon(&settings.node).is_ok());
            if asked.await.unwrap_or(false) {
                return;
            }
            sleep(ASK).await;
        }
    }

    /// Everything, now and then down to the rows.
    fn look(&mut self) -> Task {
        let which = if self.looks.is_multiple_of(DEEP) {
            Which::All
        } else {
            self.watch.missing(&self.settings.node)
        };
        self.looks += 1;
        Task { which, spec: true, collect: Some(std::mem::take(&mut self.suspected)) }
    }

    async fn round(&mut self, task: Task) -> Result<Ended, RunError> {
        let settings = Arc::clone(&self.settings);
        let done = tokio::task::spawn_blocking(move || {
            let done = round::run(&settings, &task);
            heap::give_back();
            (done, task)
        });
        let (done, task) = done.await.map_err(RunError::Died)?;
        let round =
            done.unwrap_or_else(|error| Round { failed: vec![error.to_string()], ..Round::default() });
        round.tell();
        self.counts.add(&round);
        if task.collect.is_some() {
            self.counts.leaks(round.left_behind.len());
            self.suspected = round.left_behind.iter().map(|left| left.id.clone()).collect();
        }
        Ok(match (round.silent, round.failed.is_empty()) {
            (true, _) => Ended::Silent,
            (false, true) => Ended::Well,
            (false, false) => Ended::Failed,
        })
    }
}
