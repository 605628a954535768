//! The clock of the measurements.
//!
//! Where the kernel itself trusts the processor's time stamp counter, one instruction reads it; elsewhere it is
//! `CLOCK_MONOTONIC` through the vDSO. Stamps are ticks; only differences mean anything.

use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// How long the counter is compared with the kernel's clock. Reading both takes well below 100 ns, so the rate is
/// known to a few parts in a million.
const CALIBRATION: Duration = Duration::from_millis(20);

/// Reads time and knows what a tick is worth.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    source: Source,
    nanos_per_tick: f64,
    cost_ticks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    #[cfg(target_arch = "x86_64")]
    Tsc,
    Monotonic,
}

impl Clock {
    /// The clock of this machine, calibrated once in a process.
    #[must_use]
    pub fn get() -> Self {
        static CLOCK: OnceLock<Clock> = OnceLock::new();
        *CLOCK.get_or_init(Self::calibrate)
    }

    /// Now, in ticks.
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> u64 {
        self.source.read()
    }

    /// What a number of ticks is in nanoseconds.
    #[must_use]
    pub fn nanos(&self, ticks: u64) -> f64 {
        ticks as f64 * self.nanos_per_tick
    }

    /// How long a measured section took, less what reading the clock cost, in nanoseconds.
    #[must_use]
    pub fn elapsed_ns(&self, ticks: u64) -> f64 {
        self.nanos(ticks.saturating_sub(self.cost_ticks))
    }

    /// A time span in ticks.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive span of sane length"
    )]
    pub fn ticks(&self, span: Duration) -> u64 {
        (span.as_nanos() as f64 / self.nanos_per_tick) as u64
    }

    /// Ticks in a second.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of at most some GHz")]
    pub fn hz(&self) -> u64 {
        (1e9 / self.nanos_per_tick).round() as u64
    }

    fn calibrate() -> Self {
        let source = Source::best();
        let nanos_per_tick = source.nanos_per_tick();
        // The least of many is the cost without interrupts.
        let cost_ticks = (0..2000).map(|_| source.read().abs_diff(source.read())).min().unwrap_or(0);
        Self { source, nanos_per_tick, cost_ticks }
    }
}

impl Source {
    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        // The kernel names `tsc` only if it is constant, does not stop, and agrees between the processors.
        match fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource") {
            Ok(name) if name.trim() == "tsc" => Self::Tsc,
            _ => Self::Monotonic,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Monotonic
    }

    #[inline]
    fn read(self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
            Self::Tsc => unsafe { core::arch::x86_64::_rdtsc() },
            Self::Monotonic => monotonic_ns(),
        }
    }

    fn nanos_per_tick(self) -> f64 {
        if self == Self::Monotonic {
            return 1.0;
        }
        let (ns, ticks) = (monotonic_ns(), self.read());
        std::thread::sleep(CALIBRATION);
        let (ns, ticks) = (monotonic_ns() - ns, self.read() - ticks);
        ns as f64 / ticks as f64
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("this clock always exists");
    now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs()
}

/// Processor time the calling thread has used, in nanoseconds.
#[must_use]
pub(crate) fn thread_cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("this clock always exists");
    used.tv_sec().unsigned_abs() * 1_000_000_000 + used.tv_nsec().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_spans_convert_into_each_other() {
        let clock = Clock::get();
        let span = Duration::from_millis(250);
        let back = clock.nanos(clock.ticks(span));
        assert!((back - 250e6).abs() < 10.0, "{back}");
    }

    #[test]
    fn the_clock_does_not_run_backwards() {
        let clock = Clock::get();
        let stamps: Vec<_> = (0..1000).map(|_| clock.stamp()).collect();
        assert!(stamps.is_sorted());
    }

    #[test]
    fn a_section_shorter_than_the_clock_reads_as_nothing() {
        assert!(Clock::get().elapsed_ns(0).abs() < f64::EPSILON);
    }
}
