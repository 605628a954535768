//! How busy the threads are that forward packets.
//!
//! Two commands tell it: one counts cycles and is not in every version, the other tells shares of them. Both are read
//! into the same.

use super::scan::{after, count, decimal};

/// A thread that forwards packets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thread {
    /// One that does nothing but poll.
    Pmd {
        /// The NUMA node it runs on.
        numa: u32,
        /// Its CPU.
        core: u32,
    },
    /// All others together.
    Main,
}

/// What a thread did since its counters were last cleared.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Which.
    pub thread: Thread,
    /// Packets that came in.
    pub received: Option<u64>,
    /// Packets that were lost since the slow path did not take them.
    pub lost_upcalls: Option<u64>,
    /// Cycles in which there was nothing to do.
    pub idle_cycles: Option<u64>,
    /// Cycles in which packets were worked on.
    pub busy_cycles: Option<u64>,
    /// Microseconds it slept, if it is allowed to.
    pub slept_us: Option<u64>,
}

impl Thread {
    pub(super) fn of(line: &str) -> Option<Self> {
        if line.trim_end() == "main thread:" {
            return Some(Self::Main);
        }
        let rest = line.strip_prefix("pmd thread ")?;
        let numa = after(rest, "numa_id ").and_then(super::scan::number)?;
        Some(Self::Pmd { numa, core: after(rest, "core_id ").and_then(super::scan::number)? })
    }
}

impl Work {
    /// All threads that `pmd-stats-show` tells of.
    #[must_use]
    pub fn of_stats(text: &str) -> Vec<Self> {
        all(text, |work, line| {
            work.received = work.received.or(starting(line, "packets received:"));
            work.lost_upcalls = work.lost_upcalls.or(starting(line, "miss with failed upcall:"));
            work.idle_cycles = work.idle_cycles.or(starting(line, "idle cycles:"));
            work.busy_cycles = work.busy_cycles.or(starting(line, "processing cycles:"));
        })
    }

    /// All threads that `pmd-perf-show` tells of. Cycles are worked out of shares, which have one digit after the point.
    #[must_use]
    pub fn of_perf(text: &str) -> Vec<Self> {
        let mut used = 0;
        all(text, |work, line| {
            used = starting(line, "- Used TSC cycles:").unwrap_or(used);
            work.received = work.received.or(starting(line, "Rx packets:"));
            work.lost_upcalls = work.lost_upcalls.or(starting(line, "- Lost upcalls:"));
            work.idle_cycles = work.idle_cycles.or(share(line, "- idle iterations:", used));
            work.busy_cycles = work.busy_cycles.or(share(line, "- busy iterations:", used));
            work.slept_us = work.slept_us.or(starting(line, "Sleep time (us):"));
        })
    }

    /// Which part of its cycles went into packets: from 0 to 1.
    #[must_use]
    pub fn busy(&self) -> Option<f64> {
        let (busy, idle) = (self.busy_cycles? as f64, self.idle_cycles? as f64);
        (busy + idle > 0.0).then(|| busy / (busy + idle))
    }
}

fn all(text: &str, mut hear: impl FnMut(&mut Work, &str)) -> Vec<Work> {
    let mut threads: Vec<Work> = Vec::new();
    for line in text.lines() {
        if let Some(thread) = Thread::of(line) {
            threads.push(Work {
                thread,
                received: None,
                lost_upcalls: None,
                idle_cycles: None,
                busy_cycles: None,
                slept_us: None,
            });
        } else if let Some(work) = threads.last_mut() {
            hear(work, line.trim());
        }
    }
    threads
}

fn starting(line: &str, key: &str) -> Option<u64> {
    if line.starts_with(key) { count(line, key) } else { None }
}

/// A share of cycles: `12  ( 34.5 % of used cycles)`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a u64 that is not below 0"
)]
fn share(line: &str, key: &str, of: u64) -> Option<u64> {
    let percent = decimal(after(line.strip_prefix(key)?, "(")?)?;
    Some((of as f64 * percent.min(100.0) / 100.0) as u64)
}
