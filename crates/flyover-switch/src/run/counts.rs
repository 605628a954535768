//! What the process did since it began.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Round;

/// Counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    unchanged: AtomicU64,
    mended: AtomicU64,
    failed: AtomicU64,
    found: AtomicU64,
    collected: AtomicU64,
    leaks: AtomicU64,
    written: AtomicU64,
    unwritten: AtomicU64,
}

impl Counts {
    /// Adds a round.
    pub(super) fn add(&self, round: &Round) {
        let which = match (round.failed.is_empty(), round.is_quiet()) {
            (false, _) => &self.failed,
            (true, true) => &self.unchanged,
            (true, false) => &self.mended,
        };
        which.fetch_add(1, Ordering::Relaxed);
        self.collected.fetch_add(round.collected.len() as u64, Ordering::Relaxed);
    }

    /// How many attachments nobody has, as of the last full look; those that are more than before are found anew.
    pub(super) fn leaks(&self, now: usize) {
        let before = self.leaks.swap(now as u64, Ordering::Relaxed);
        self.found.fetch_add((now as u64).saturating_sub(before), Ordering::Relaxed);
    }

    /// Adds an attempt to annotate a pod.
    pub(super) fn annotated(&self, well: bool) {
        let which = if well { &self.written } else { &self.unwritten };
        which.fetch_add(1, Ordering::Relaxed);
    }

    /// Rounds by how they ended.
    pub(super) fn rounds(&self) -> [(&'static str, u64); 3] {
        [("unchanged", &self.unchanged), ("repaired", &self.mended), ("failed", &self.failed)]
            .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }

    /// Attempts to annotate pods by how they ended.
    pub(super) fn annotations(&self) -> [(&'static str, u64); 2] {
        [("written", &self.written), ("failed", &self.unwritten)]
            .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }

    /// Leaks that were found.
    pub(super) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Leaks that were taken away.
    pub(super) fn collected(&self) -> u64 {
        self.collected.load(Ordering::Relaxed)
    }

    /// Leaks that are there.
    pub(super) fn now(&self) -> i64 {
        i64::try_from(self.leaks.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }
}
