//! When to say something again.
//!
//! Invariants: no clock of its own. How far a lane is goes out at once; all else waits until half a minute has passed since
//! the last time; where nothing changed, a sign of life goes out each five minutes.

use std::time::{Duration, Instant};

use super::Told;

const ALL_ELSE: Duration = Duration::from_secs(30);
const SIGN_OF_LIFE: Duration = Duration::from_secs(300);

/// What was said last, and when.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<(Instant, Told)>);

impl Pace {
    /// When this is to be said.
    pub(super) fn due(&self, told: &Told, now: Instant) -> Instant {
        match &self.0 {
            Some((at, last)) if last == told => *at + SIGN_OF_LIFE,
            Some((at, last)) if essence(last) == essence(told) => *at + ALL_ELSE,
            _ => now,
        }
    }

    /// It was said.
    pub(super) fn said(&mut self, told: Told, now: Instant) {
        self.0 = Some((now, told));
    }

    /// Nobody remembers it.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// What others wait for.
fn essence(told: &Told) -> impl PartialEq + '_ {
    let lanes = told
        .lanes
        .iter()
        .map(|(lane, status)| (lane, &status.hash, status.phase, status.needs, &status.reason));
    (told.looked, lanes.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use flyover_api::resource::{Lane, LanePhase, LaneStatus};
    use flyover_core::Disturbance;

    use super::*;

    fn told(phase: LanePhase, message: &str) -> Told {
        let status = LaneStatus {
            hash: None,
            phase,
            needs: Disturbance::None,
            reason: "R".to_owned(),
            message: message.to_owned(),
            plan: None,
            journal: Vec::new(),
            drift: Vec::new(),
            receipt: Vec::new(),
        };
        Told { looked: true, lanes: [(Lane::Profile, status)].into(), ..Told::default() }
    }

    #[test]
    fn a_phase_goes_out_at_once_words_wait_and_silence_is_broken_now_and_then() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let in_seconds = |pace: &Pace, told: &Told| {
            pace.due(told, start + Duration::from_secs(2)).duration_since(start).as_secs()
        };
        let ready = told(LanePhase::Ready, "a");
        let first = in_seconds(&pace, &ready);
        pace.said(ready.clone(), start);
        let (same, words) = (in_seconds(&pace, &ready), in_seconds(&pace, &told(LanePhase::Ready, "b")));
        let phase = in_seconds(&pace, &told(LanePhase::Drifted, "a"));
        pace.forget();
        assert_eq!([first, same, words, phase, in_seconds(&pace, &ready)], [2, 300, 30, 2, 2]);
    }
}
