//! Paths side by side: shuffled rounds, so that what disturbs the machine disturbs all of them alike.
//!
//! In each round every case is measured once on each of its paths, back to back and in an order drawn anew. A ratio
//! is taken over rounds, in pairs. Before each sample a gate waits for the processor to be idle.

mod case;
#[cfg(test)]
mod gate;
mod report;
mod sample;
mod ways;

use std::collections::BTreeMap;
use std::time::Duration;

pub use case::{BadCase, Case, Ends, PathName, Probe, Unit};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
pub use report::{CaseReport, PathReport, Report, Rounds};
pub use sample::Length;
use sample::{Gathered, Sample};
pub use ways::Ways;

use crate::error::MeasureError;
use crate::host;
use crate::place::Way;

/// Any error of whoever lays the paths.
pub type LayingError = Box<dyn std::error::Error + Send + Sync>;

/// What is compared: somebody who knows the way of each path. A lab is one.
pub trait Paths {
    /// Readies the path for a sample of the case, and tells the way. `None` where the case does not exist on it.
    ///
    /// It is called before every sample, so it can flush what an earlier sample left behind; what should stay, such
    /// as a bypass that was turned on, it must leave alone.
    fn way(&mut self, path: PathName, case: &Case) -> Result<Option<Way>, LayingError>;
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is measured.
    pub cases: Vec<Case>,
    /// Over which paths.
    pub paths: Vec<PathName>,
    /// Values for each path and case.
    pub rounds: usize,
    /// How long a sample takes.
    pub length: Length,
    /// How long the gate waits for an idle processor.
    pub patience: Duration,
    /// Both ends on the first; in a case with two processors, the server on the second.
    pub cpus: [usize; 2],
    /// Where the shuffling starts.
    pub seed: u64,
}

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Samples taken.
    pub done: usize,
    /// Samples in all, at most.
    pub all: usize,
    /// The round, from 1.
    pub round: usize,
    /// What is measured next.
    pub case: Case,
    /// Over which path.
    pub path: PathName,
}

/// One case while it is measured.
struct Line {
    case: Case,
    paths: BTreeMap<PathName, Gathered>,
    disturbed: usize,
    repeated: usize,
}

/// Measures all cases on all paths; cases that exist on no path are left out.
pub fn compare(
    plan: &Plan,
    paths: &mut dyn Paths,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<CaseReport>, MeasureError> {
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let new = |case: &Case| Line { case: *case, paths: BTreeMap::new(), disturbed: 0, repeated: 0 };
    let mut lines: Vec<Line> = plan.cases.iter().map(new).collect();
    let (mut done, all) = (0, plan.rounds * plan.cases.len() * plan.paths.len());
    for round in 1..=plan.rounds {
        for (line, path) in shuffled(&mut rng, lines.len(), &plan.paths) {
            let line = &mut lines[line];
            progress(Progress { done, all, round, case: line.case, path });
            line.measure(plan, path, paths)?;
            done += 1;
        }
    }
    Ok(lines.into_iter().filter(|line| !line.paths.is_empty()).map(Line::report).collect())
}

/// One round: the cases in any order, the paths of a case one after the other in any order.
fn shuffled(rng: &mut SmallRng, lines: usize, paths: &[PathName]) -> Vec<(usize, PathName)> {
    let mut order: Vec<usize> = (0..lines).collect();
    order.shuffle(rng);
    let mut paths = paths.to_vec();
    let mut round = Vec::new();
    for line in order {
        paths.shuffle(rng);
        round.extend(paths.iter().map(|path| (line, *path)));
    }
    round
}

impl Line {
    fn measure(&mut self, plan: &Plan, path: PathName, paths: &mut dyn Paths) -> Result<(), MeasureError> {
        let case = self.case;
        let laid = paths.way(path, &case).map_err(|source| MeasureError::Laying {
            case: case.to_string(),
            path: path.to_string(),
            source,
        })?;
        let Some(way) = laid else { return Ok(()) };
        let [first, second] = plan.cpus;
        let way = way.on_cpus(first, if case.two_cpus { second } else { first });
        if !host::wait_until_idle(first, plan.patience)?.idle {
            self.disturbed += 1;
        }
        let sample = self.take(plan, &way).map_err(|source| MeasureError::Sample {
            case: case.to_string(),
            path: path.to_string(),
            source: Box::new(source),
        })?;
        self.paths.entry(path).or_insert_with(Gathered::new).add(&sample);
        Ok(())
    }

    /// A datagram may be lost once, and is told in the report; not twice.
    fn take(&mut self, plan: &Plan, way: &Way) -> Result<Sample, MeasureError> {
        match sample::take(self.case.probe, way, plan.length) {
            Err(MeasureError::Stalled { .. }) => {
                self.repeated += 1;
                sample::take(self.case.probe, way, plan.length)
            }
            taken => taken,
        }
    }

    fn report(self) -> CaseReport {
        let rounds = self.paths.into_iter().map(|(path, gathered)| (path, gathered.finish())).collect();
        CaseReport::new(self.case, &rounds, (self.disturbed, self.repeated))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_round_measures_each_case_on_each_path_once_and_keeps_a_case_together() {
        let mut rng = SmallRng::seed_from_u64(1);
        let round = shuffled(&mut rng, 3, &PathName::ALL);
        assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 15);
        for case in round.chunks(5) {
            assert!(case.iter().all(|(line, _)| *line == case[0].0), "{round:?}");
        }
    }

    #[test]
    fn the_same_seed_shuffles_the_same_way_and_rounds_differ() {
        let rounds = |seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            [shuffled(&mut rng, 3, &PathName::ALL), shuffled(&mut rng, 3, &PathName::ALL)]
        };
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7)[0], rounds(7)[1]);
    }
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::rig::Rig;

    /// All paths are the same veth pair; only IPv6 has no wire.
    impl Paths for Rig {
        fn way(&mut self, path: PathName, case: &Case) -> Result<Option<Way>, LayingError> {
            let v6 = case.ends == Ends::V6;
            Ok((!(v6 && path == PathName::Wire)).then(|| Rig::way(self, v6)))
        }
    }

    #[test]
    fn every_kind_of_case_ends_in_the_report() {
        let plan = Plan {
            cases: ["tcp-64", "udp-1k-v6", "bulk-tcp-2cpu", "crr", "cpu-per-packet"]
                .map(|c| c.parse().unwrap())
                .to_vec(),
            paths: vec![PathName::Overlay, PathName::Fastpath, PathName::Wire],
            rounds: 2,
            length: Length { warmup: Duration::from_millis(2), duration: Duration::from_millis(10) },
            patience: Duration::ZERO,
            cpus: [0, 1],
            seed: 1,
        };
        let mut seen = 0;
        let cases = compare(&plan, &mut Rig::new(), &mut |_| seen += 1).unwrap();
        assert_eq!((seen, cases.len()), (30, 5));
        for case in &cases {
            let paths = if case.name.ends == Ends::V6 { 2 } else { 3 };
            assert_eq!((case.paths.len(), case.cdf.len()), (paths, paths), "{}", case.name);
            assert_eq!(case.ratio_to_wire.is_some(), paths == 3, "{}", case.name);
            assert!(case.ratio_to_overlay.is_some_and(|r| r.low <= r.value && r.value <= r.high));
            assert!(case.paths.values().all(|p| p.p50 > 0.0 && p.p99 > 0.0 && p.n > 1), "{case:?}");
        }
    }
}
