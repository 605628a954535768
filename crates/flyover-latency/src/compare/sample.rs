//! One sample: a probe over a way, once.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::case::Probe;
use super::report::Rounds;
use crate::connect::{self, Connect};
use crate::error::MeasureError;
use crate::pingpong::{self, Gap, PingPong, Proto};
use crate::place::Way;
use crate::samples::Samples;
use crate::throughput::{self, Throughput};

/// Between two messages of `cpu-per-packet`.
const PACE: Duration = Duration::from_micros(100);
/// No sample that is kept takes longer than the minute a histogram holds.
const LONGEST_NS: u64 = 60_000_000_000;
/// Points of a distribution that is drawn.
const CDF_POINTS: u32 = 200;

/// How long a sample takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Before anything is recorded: a bypass has learned its flow after this.
    pub warmup: Duration,
    /// Recorded.
    pub duration: Duration,
}

/// What one sample gave.
#[derive(Clone, Debug)]
pub(super) enum Sample {
    Times(Samples),
    Value(f64),
}

/// Takes a sample.
pub(super) fn take(probe: Probe, way: &Way, length: Length) -> Result<Sample, MeasureError> {
    let Length { warmup, duration } = length;
    if let Some((proto, size)) = probe.messages() {
        let spec = PingPong { warmup, duration, ..PingPong::new(proto, size as usize) };
        return pingpong::measure(&spec, way).map(Sample::Times);
    }
    match probe {
        Probe::Bulk => {
            let carried = throughput::measure(&Throughput { streams: 1, warmup, duration }, way)?;
            Ok(Sample::Value(carried.bits_per_second()))
        }
        Probe::Crr => {
            let done = connect::measure(&Connect { warmup, duration }, way)?;
            Ok(Sample::Value(done.per_second))
        }
        _ => {
            let gap = Gap { sleep: PACE, spin: Duration::ZERO };
            let spec = PingPong { warmup, duration, gap, ..PingPong::new(Proto::Udp, 64) };
            Ok(Sample::Value(pingpong::measure_all(&spec, way)?.cpu_per_message_ns))
        }
    }
}

/// The samples of a path in a case, round after round.
pub(super) struct Gathered {
    rounds: Rounds,
    histogram: Histogram<u64>,
}

impl Gathered {
    pub(super) fn new() -> Self {
        // One that grows does so for `record` alone; `saturating_record` would take all for its first, least bound.
        let histogram = Histogram::new_with_max(LONGEST_NS, 3).expect("three digits are allowed");
        Self { rounds: Rounds::default(), histogram }
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        match sample {
            Sample::Times(samples) => {
                self.rounds.p50.push(samples.quantile(0.5) as f64);
                self.rounds.p99.push(samples.quantile(0.99) as f64);
                self.rounds.n += samples.len() as u64;
                samples.sorted().iter().for_each(|ns| self.histogram.saturating_record(*ns));
            }
            Sample::Value(value) => {
                self.rounds.p50.push(*value);
                self.rounds.n += 1;
            }
        }
    }

    /// Sums up.
    pub(super) fn finish(mut self) -> Rounds {
        self.rounds.cdf = if self.histogram.is_empty() {
            steps(&self.rounds.p50)
        } else {
            let points = (0..=CDF_POINTS).map(|i| f64::from(i) / f64::from(CDF_POINTS));
            points.map(|q| [self.histogram.value_at_quantile(q) as f64, q]).collect()
        };
        self.rounds
    }
}

/// The distribution of a few values: one step for each.
fn steps(values: &[f64]) -> Vec<[f64; 2]> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let count = sorted.len() as f64;
    sorted.iter().enumerate().map(|(i, value)| [*value, (i + 1) as f64 / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_of_rates_has_a_step_for_each_round() {
        let mut gathered = Gathered::new();
        [3.0, 1.0].iter().for_each(|v| gathered.add(&Sample::Value(*v)));
        let rounds = gathered.finish();
        assert_eq!(rounds.cdf, [[1.0, 0.5], [3.0, 1.0]]);
        assert_eq!((rounds.p50, rounds.p99, rounds.n), (vec![3.0, 1.0], vec![], 2));
    }

    #[test]
    fn the_distribution_of_long_times_is_theirs_too() {
        let mut gathered = Gathered::new();
        let millis = [1, 5, 200, 59_000].map(|ms| ms * 1_000_000);
        gathered.add(&Sample::Times(Samples::new(millis.to_vec())));
        let rounds = gathered.finish();
        let drawn = [10, 90, 110, 200].map(|point: usize| rounds.cdf[point][0]);
        for (drawn, given) in drawn.into_iter().zip([1e6, 5e6, 200e6, 59e9]) {
            assert!((drawn / given - 1.0).abs() < 0.01, "{drawn} instead of {given}");
        }
    }

    #[test]
    fn the_distribution_of_times_rises_from_the_least_to_the_greatest() {
        let mut gathered = Gathered::new();
        gathered.add(&Sample::Times(Samples::new((1..=1000).rev().collect())));
        let rounds = gathered.finish();
        assert!(rounds.cdf.is_sorted_by(|a, b| a[0] <= b[0] && a[1] < b[1]));
        assert_eq!((rounds.cdf[0][0], rounds.cdf[200]), (1.0, [1000.0, 1.0]));
    }
}
