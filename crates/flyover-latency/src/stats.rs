//! Statistics of measurements: quantiles of samples, and the ratio of two paths with its uncertainty.
//!
//! Invariant: pure; the same numbers give the same interval, for the random numbers of the bootstrap start from a
//! fixed seed.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// Resamples of the bootstrap: the ends of a 95 % interval then stand on about 50 of them each.
const RESAMPLES: usize = 2000;
/// Where its random numbers start.
const SEED: u64 = 0x000F_1E0A_E200_F1FE;

/// A ratio of medians with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the one divided by the median of the other.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The value below which the share `q` of the samples lies: the nearest rank, never interpolated.
///
/// Samples must be sorted. Without samples there is none.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "q is a share of a length")]
pub fn quantile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    let rank = (sorted.len() as f64 * q.clamp(0.0, 1.0)) as usize;
    sorted.get(rank.min(sorted.len().saturating_sub(1))).copied()
}

/// The median; the mean of the two in the middle of an even number. Without values it is not a number.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    median_in_place(&mut sorted)
}

fn median_in_place(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// The ratio of the medians of two paths, one value for each round, with a bootstrap 95 % interval.
///
/// With as many rounds on both sides, rounds are drawn in pairs: what disturbed a round disturbed both of its
/// values, and that much of the noise cancels out. `None` if either side has no rounds.
#[must_use]
pub fn ratio(a: &[f64], b: &[f64]) -> Option<Ratio> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let value = median(a) / median(b);
    let mut rng = SmallRng::seed_from_u64(SEED);
    let (mut drawn_a, mut drawn_b) = (a.to_vec(), b.to_vec());
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            draw(&mut rng, (a, &mut drawn_a), (b, &mut drawn_b));
            median_in_place(&mut drawn_a) / median_in_place(&mut drawn_b)
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let low = quantile(&ratios, 0.025)?.min(value);
    let high = quantile(&ratios, 0.975)?.max(value);
    Some(Ratio { value, low, high })
}

/// Fills both with rounds drawn with replacement, the same ones if they are paired.
fn draw(rng: &mut SmallRng, (a, into_a): (&[f64], &mut [f64]), (b, into_b): (&[f64], &mut [f64])) {
    if a.len() == b.len() {
        for (x, y) in into_a.iter_mut().zip(into_b) {
            let round = rng.random_range(0..a.len());
            (*x, *y) = (a[round], b[round]);
        }
    } else {
        into_a.iter_mut().for_each(|x| *x = a[rng.random_range(0..a.len())]);
        into_b.iter_mut().for_each(|y| *y = b[rng.random_range(0..b.len())]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounds() -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::vec(1.0..1e6_f64, 1..20)
    }

    proptest! {
        #[test]
        fn a_quantile_is_one_of_the_samples_and_grows_with_its_rank(
            mut samples in proptest::collection::vec(any::<u32>(), 1..200), p in 0.0..1.0, q in 0.0..1.0
        ) {
            samples.sort_unstable();
            let (p, q) = if p < q { (p, q) } else { (q, p) };
            let (low, high) = (quantile(&samples, p).unwrap(), quantile(&samples, q).unwrap());
            prop_assert!(low <= high && samples.contains(&low) && samples.contains(&high));
        }

        #[test]
        fn the_median_has_as_many_values_below_as_above(values in rounds()) {
            let median = median(&values);
            let below = values.iter().filter(|v| **v < median).count();
            let above = values.iter().filter(|v| **v > median).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }

        #[test]
        fn the_interval_holds_the_ratio_and_lies_within_the_extremes(a in rounds(), b in rounds()) {
            let Ratio { value, low, high } = ratio(&a, &b).unwrap();
            let max = |v: &[f64]| v.iter().copied().fold(f64::MIN, f64::max);
            let min = |v: &[f64]| v.iter().copied().fold(f64::MAX, f64::min);
            prop_assert!(low <= value && value <= high);
            prop_assert!(low >= min(&a) / max(&b) * (1.0 - 1e-9) && high <= max(&a) / min(&b) * (1.0 + 1e-9));
        }

        #[test]
        fn a_path_compared_with_itself_is_exactly_one(a in rounds()) {
            prop_assert_eq!(ratio(&a, &a), Some(Ratio { value: 1.0, low: 1.0, high: 1.0 }));
        }

        #[test]
        fn a_common_factor_of_a_round_cancels_out(a in rounds(), factor in 0.1..10.0_f64) {
            let b: Vec<f64> = a.iter().map(|v| v * factor).collect();
            let Ratio { low, high, .. } = ratio(&b, &a).unwrap();
            prop_assert!((low - factor).abs() < 1e-9 && (high - factor).abs() < 1e-9);
        }
    }

    #[test]
    fn the_same_rounds_always_give_the_same_interval() {
        let (a, b) = ([8.1, 8.0, 8.4, 9.0, 8.2], [8.9, 8.7, 8.8, 9.9, 8.6]);
        assert_eq!(ratio(&a, &b), ratio(&a, &b));
        assert!(ratio(&a, &b).unwrap().high < 1.0);
    }

    /// Rounds of a path and of one that takes 0.9 of its time. What disturbs a round disturbs both, by a tenth; each
    /// also has a noise of its own, of two percent, and now and then a round is far off.
    fn noisy_rounds(rng: &mut SmallRng) -> (Vec<f64>, Vec<f64>) {
        let around = |rng: &mut SmallRng, spread: f64| 1.0 + spread * (rng.random::<f64>() - 0.5) * 3.46;
        (0..10)
            .map(|_| {
                let common = around(rng, 0.1);
                let mut own = || {
                    let far_off = if rng.random_range(0..20) == 0 { 1.5 } else { 1.0 };
                    8_000.0 * common * around(rng, 0.02) * far_off
                };
                (0.9 * own(), own())
            })
            .unzip()
    }

    #[test]
    fn of_the_intervals_about_95_in_100_hold_the_true_ratio() {
        let mut rng = SmallRng::seed_from_u64(1);
        let experiments = 400;
        let hold = (0..experiments)
            .filter(|_| {
                let (a, b) = noisy_rounds(&mut rng);
                let Ratio { low, high, .. } = ratio(&a, &b).unwrap();
                low <= 0.9 && 0.9 <= high
            })
            .count();
        let share = f64::from(u32::try_from(hold).unwrap()) / f64::from(experiments);
        assert!((0.93..=0.99).contains(&share), "{share} of the intervals hold the true ratio");
    }

    #[test]
    fn nothing_has_no_quantile_and_no_ratio() {
        assert_eq!(quantile::<u64>(&[], 0.5), None);
        assert_eq!(ratio(&[], &[1.0]), None);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_99th_of_a_hundred_is_the_last() {
        let samples: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&samples, 0.99), Some(100));
        assert_eq!(quantile(&samples, 0.5), Some(51));
        assert_eq!(quantile(&samples, 1.0), Some(100));
    }
}
