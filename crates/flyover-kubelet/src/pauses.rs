//! How long to wait before the next attempt: twice as long each time, up to a limit.
//!
//! There is no jitter: one node has one kubelet, and nobody else is kept waiting by us.

use std::time::Duration;

/// Not shorter, since kubelet hangs up before it marks a plugin as ended, and marks whoever has the resource by then.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// The next pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Pauses {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_begin_anew_when_told() {
        let mut pauses = Pauses::default();
        let ms: Vec<_> = (0..10).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(ms, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        pauses.reset();
        assert_eq!(pauses.next().as_millis(), 200);
    }
}
