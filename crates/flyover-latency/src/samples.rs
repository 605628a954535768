//! The samples of one measurement and what is said about them.

use serde::Serialize;

use crate::stats::quantile;

/// Latencies in nanoseconds, in the order they were measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    nanos: Vec<u64>,
    sorted: Vec<u64>,
}

/// One line of a result, as sfnt-pingpong prints it: integers, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Arithmetic mean.
    pub mean: u64,
    /// Least.
    pub min: u64,
    /// The sample in the middle.
    pub median: u64,
    /// Greatest.
    pub max: u64,
    /// The percentile that was asked for.
    pub percentile: u64,
    /// Standard deviation.
    pub stddev: u64,
    /// Number of samples.
    pub iterations: usize,
}

impl Samples {
    /// Samples in the order they were measured.
    #[must_use]
    pub fn new(nanos: Vec<u64>) -> Self {
        let mut sorted = nanos.clone();
        sorted.sort_unstable();
        Self { nanos, sorted }
    }

    /// In the order they were measured.
    #[must_use]
    pub fn in_order(&self) -> &[u64] {
        &self.nanos
    }

    /// From the least to the greatest.
    #[must_use]
    pub fn sorted(&self) -> &[u64] {
        &self.sorted
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nanos.len()
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nanos.is_empty()
    }

    /// The value below which the share `q` lies; 0 without samples.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        quantile(&self.sorted, q).unwrap_or(0)
    }

    /// A line about them, with one percentile (0 to 100) of the reader's choice.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "means of nanoseconds are positive"
    )]
    pub fn summary(&self, percentile: f64) -> Summary {
        let count = self.nanos.len().max(1) as f64;
        let mean = self.nanos.iter().map(|n| *n as f64).sum::<f64>() / count;
        let variance = self.nanos.iter().map(|n| (*n as f64 - mean).powi(2)).sum::<f64>() / count;
        Summary {
            mean: mean.round() as u64,
            min: self.quantile(0.0),
            median: self.quantile(0.5),
            max: self.quantile(1.0),
            percentile: self.quantile(percentile / 100.0),
            stddev: variance.sqrt().round() as u64,
            iterations: self.nanos.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_sfnt_pingpong_says() {
        let samples = Samples::new(vec![500, 100, 300, 200, 400]);
        assert_eq!(
            samples.summary(90.0),
            Summary {
                mean: 300,
                min: 100,
                median: 300,
                max: 500,
                percentile: 500,
                stddev: 141,
                iterations: 5
            }
        );
        assert_eq!(samples.in_order()[0], 500, "the order of measuring is kept");
    }

    #[test]
    fn nothing_sums_up_to_nothing() {
        assert_eq!(Samples::default().summary(99.0).iterations, 0);
        assert_eq!(Samples::default().summary(99.0).max, 0);
    }
}
