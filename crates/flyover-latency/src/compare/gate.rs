//! What the gate before a sample promises, on a CPU that is kept busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::*;
use crate::place::{self, Place};

/// Loopback, and whether somebody measured while the processor was busy.
struct Watched {
    busy: Arc<AtomicBool>,
    too_early: Arc<AtomicBool>,
}

impl Paths for Watched {
    fn way(&mut self, _: PathName, _: &Case) -> Result<Option<Way>, LayingError> {
        let (busy, too_early) = (Arc::clone(&self.busy), Arc::clone(&self.too_early));
        let place = Place::custom(move |work| {
            too_early.fetch_or(busy.load(Ordering::SeqCst), Ordering::SeqCst);
            work();
            Ok(())
        });
        Ok(Some(Way::direct(place.clone(), place, "127.0.0.1:0".parse()?)))
    }
}

/// Measures once while CPU 0 is busy for so long; whether the sample began too early, and the report.
fn measured_while_busy(busy_for: Duration, patience: Duration) -> (bool, CaseReport) {
    let plan = Plan {
        cases: vec!["tcp-64".parse().unwrap()],
        paths: vec![PathName::Wire],
        rounds: 1,
        length: Length { warmup: Duration::ZERO, duration: Duration::from_millis(10) },
        patience,
        cpus: [0, 0],
        seed: 1,
    };
    let (busy, too_early) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let mut paths = Watched { busy: Arc::clone(&busy), too_early: Arc::clone(&too_early) };
    let reports = thread::scope(|scope| {
        scope.spawn(|| {
            place::pin(0).unwrap();
            while busy.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        scope.spawn(|| {
            let started = Instant::now();
            while busy.load(Ordering::SeqCst) && started.elapsed() < busy_for {
                thread::sleep(Duration::from_millis(10));
            }
            busy.store(false, Ordering::SeqCst);
        });
        let reports = compare(&plan, &mut paths, &mut |_| {}).unwrap();
        busy.store(false, Ordering::SeqCst);
        reports
    });
    (too_early.load(Ordering::SeqCst), reports.into_iter().next().unwrap())
}

#[test]
fn a_sample_waits_until_its_processor_is_idle() {
    // On a machine that others keep busy it waits until its patience ends.
    let (too_early, _) = measured_while_busy(Duration::from_millis(400), Duration::from_secs(20));
    assert!(!too_early);
}

#[test]
fn a_sample_that_waited_long_enough_is_taken_and_told_as_disturbed() {
    let (too_early, report) = measured_while_busy(Duration::from_secs(120), Duration::from_millis(200));
    assert_eq!((too_early, report.disturbed), (true, 1));
}
