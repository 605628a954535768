//! How the demo writes numbers: each beside its target, if it has one.

use std::fmt::Display;
use std::time::Duration;

/// A time, for people.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A time and the most that it may be.
pub(super) fn within(time: Duration, most: Duration) -> String {
    at_most(time.as_secs_f64(), most.as_secs_f64(), "s")
}

/// A number and the most that it may be.
pub(super) fn at_most(value: f64, most: f64, unit: impl Display) -> String {
    let missed = if value > most { ": missed" } else { "" };
    // As few digits as tell a small number from another one.
    let digits = if value < 10.0 { 2 } else { 1 };
    format!("{value:.digits$} {unit} (target: at most {most} {unit}{missed})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_missed_is_told() {
        assert_eq!(at_most(30.0, 30.0, "MB"), "30.0 MB (target: at most 30 MB)");
        let long = Duration::from_millis(60_100);
        assert_eq!(within(long, Duration::from_secs(60)), "60.1 s (target: at most 60 s: missed)");
    }
}
