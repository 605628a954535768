//! What a comparison found, as `report.json` holds it. docs/reference/report.md tells the fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::case::{Case, PathName, Unit};
use crate::stats::{Ratio, median, quantile, ratio};

/// A whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One for each case, in the order they were asked for.
    pub cases: Vec<CaseReport>,
    /// Release of the kernel.
    pub kernel: String,
    /// Name of the processor.
    pub cpu: String,
    /// Of Flyover and of what else took part.
    pub versions: BTreeMap<String, String>,
    /// How it was started.
    pub command_line: String,
    /// When it began, RFC 3339, UTC.
    pub date: String,
    /// How many values each path has in each case.
    pub rounds: usize,
    /// The processors of client and server in cases with one processor (the same twice) and with two.
    pub cpus: [usize; 2],
}

/// One case on all of its paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// What was done.
    pub name: Case,
    /// What the numbers are.
    pub unit: Unit,
    /// Each path by its name.
    #[serde(flatten)]
    pub paths: BTreeMap<PathName, PathReport>,
    /// Of `fastpath`; absent without either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio_to_wire: Option<Ratio>,
    /// Of `fastpath`; absent without either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio_to_overlay: Option<Ratio>,
    /// How many of its samples began although the processor was not idle.
    pub disturbed: usize,
    /// How many of its samples were taken a second time, for a message had been lost.
    pub repeated: usize,
    /// For each path, points `[value, share of samples that do not exceed it]`.
    pub cdf: BTreeMap<PathName, Vec<[f64; 2]>>,
}

/// One path in one case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathReport {
    /// The median over the rounds, of each round's median.
    pub p50: f64,
    /// Of a time: the median over the rounds, of each round's 99th percentile. Of a rate: the rate that 99 % of the
    /// rounds reach.
    pub p99: f64,
    /// Samples behind it: round trips, or rounds for a rate.
    pub n: u64,
}

/// What the rounds of one path in one case gave.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// One median, or rate, for each round.
    pub p50: Vec<f64>,
    /// One 99th percentile for each round; empty for a rate.
    pub p99: Vec<f64>,
    /// Samples of all rounds.
    pub n: u64,
    /// The distribution of all samples.
    pub cdf: Vec<[f64; 2]>,
}

impl Rounds {
    fn report(&self) -> PathReport {
        let mut sorted = self.p50.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let tail = || quantile(&sorted, 0.01).unwrap_or(f64::NAN);
        PathReport {
            p50: median(&self.p50),
            p99: if self.p99.is_empty() { tail() } else { median(&self.p99) },
            n: self.n,
        }
    }
}

impl CaseReport {
    /// Sums up the rounds of all paths.
    #[must_use]
    pub fn new(
        name: Case,
        rounds: &BTreeMap<PathName, Rounds>,
        (disturbed, repeated): (usize, usize),
    ) -> Self {
        let to = |other| ratio(&rounds.get(&PathName::Fastpath)?.p50, &rounds.get(&other)?.p50).map(rounded);
        Self {
            name,
            unit: name.probe.unit(),
            paths: rounds.iter().map(|(path, rounds)| (*path, rounds.report())).collect(),
            ratio_to_wire: to(PathName::Wire),
            ratio_to_overlay: to(PathName::Overlay),
            disturbed,
            repeated,
            cdf: rounds.iter().map(|(path, rounds)| (*path, rounds.cdf.clone())).collect(),
        }
    }
}

/// Four digits are more than any measurement holds, and survive writing and reading.
fn rounded(ratio: Ratio) -> Ratio {
    let digits = |x: f64| (x * 1e4).round() / 1e4;
    Ratio { value: digits(ratio.value), low: digits(ratio.low), high: digits(ratio.high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(p50: &[f64], p99: &[f64]) -> Rounds {
        Rounds { p50: p50.to_vec(), p99: p99.to_vec(), n: 3000, cdf: vec![[p50[0], 0.5], [p99[0], 1.0]] }
    }

    fn report() -> Report {
        let all = BTreeMap::from([
            (PathName::Overlay, rounds(&[16_000.0, 16_400.0, 16_200.0], &[25_000.0, 26_000.0, 25_500.0])),
            (PathName::Fastpath, rounds(&[8_000.0, 8_200.0, 8_100.0], &[9_000.0, 9_100.0, 30_000.0])),
            (PathName::Wire, rounds(&[8_600.0, 8_800.0, 8_700.0], &[9_700.0, 9_900.0, 9_800.0])),
        ]);
        Report {
            cases: vec![CaseReport::new("tcp-64".parse().unwrap(), &all, (1, 0))],
            kernel: "6.18.0".to_owned(),
            cpu: "A Processor".to_owned(),
            versions: BTreeMap::from([("flyover".to_owned(), "0.1.0".to_owned())]),
            command_line: "flyover bench compare --lab lab".to_owned(),
            date: "2026-11-21T09:00:00Z".to_owned(),
            rounds: 3,
            cpus: [0, 1],
        }
    }

    #[test]
    fn the_fields_of_report_json_are_these() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&report()).unwrap());
    }

    #[test]
    fn a_report_survives_writing_and_reading() {
        let text = serde_json::to_string(&report()).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
    }

    #[test]
    fn the_p99_of_a_rate_is_what_almost_all_rounds_reach() {
        let mut rounds = rounds(&[17e9, 12e9, 18e9], &[1.0]);
        rounds.p99.clear();
        let report = rounds.report();
        assert!((report.p50 - 17e9).abs() < 1.0 && (report.p99 - 12e9).abs() < 1.0);
    }

    #[test]
    fn without_the_wire_there_is_no_ratio_to_it() {
        let all = BTreeMap::from([(PathName::Fastpath, rounds(&[1.0], &[1.0]))]);
        let case = CaseReport::new("crr".parse().unwrap(), &all, (0, 0));
        assert_eq!((case.ratio_to_wire, case.ratio_to_overlay), (None, None));
    }
}
