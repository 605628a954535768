//! Makes the kernel's grace periods short while many programs are attached or taken away.
//!
//! Each tcx attachment waits for a grace period of RCU, some 13 ms, and nobody else may change a device meanwhile. The
//! switch is the machine's: every grace period costs its processors an interrupt while it is on, so it is on only while
//! many wait.
//!
//! Invariants: that the instance turned it on is written down before it does; whoever finds that note, `off` or the
//! next process, turns it off. What others turned on is left on. Several instances may use it at once: each turns it
//! on again if another was done with it sooner.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::instance::{Instance, InstanceError};

/// The switch's file.
pub(crate) const SWITCH: &str = "/sys/kernel/rcu_expedited";
/// From this many on it is worth the while.
const MANY: usize = 8;

/// The switch, as far as the instance uses it.
#[derive(Debug)]
pub(crate) struct Expedite {
    allowed: bool,
    since: Option<Instant>,
    times: u32,
    total: Duration,
}

impl Expedite {
    pub(crate) fn new(allowed: bool) -> Self {
        Self { allowed, since: None, times: 0, total: Duration::ZERO }
    }

    /// Turns it on if that many attachments are worth it, and off when none is left.
    pub(crate) fn follow(&mut self, instance: &Instance, waiting: usize) -> Result<(), InstanceError> {
        if waiting == 0 {
            let Some(since) = self.since.take() else { return Ok(()) };
            self.total += since.elapsed();
            return mend(instance);
        }
        if !self.allowed || !is_worth_it(waiting) || !is_off() {
            return Ok(());
        }
        let mut restore = instance.restore()?;
        restore.rcu_expedited = true;
        instance.remember(&restore)?;
        if let Err(error) = set("1") {
            tracing::debug!(%error, "grace periods stay long");
            self.allowed = false;
            restore.rcu_expedited = false;
            instance.remember(&restore)?;
        } else if self.since.is_none() {
            self.since = Some(Instant::now());
            self.times += 1;
        }
        Ok(())
    }

    /// How often it was on, and for how long.
    pub(crate) fn used(&self) -> (bool, u32, Duration) {
        (self.allowed, self.times, self.total)
    }
}

/// Turns the switch off if the instance noted that it turned it on.
pub(crate) fn mend(instance: &Instance) -> Result<(), InstanceError> {
    let mut restore = instance.restore()?;
    if !restore.rcu_expedited {
        return Ok(());
    }
    if let Err(error) = set("0") {
        tracing::warn!(%error, "{SWITCH} may have been left on");
    }
    restore.rcu_expedited = false;
    instance.remember(&restore)
}

/// Whether that many attachments are worth it.
pub(crate) fn is_worth_it(waiting: usize) -> bool {
    waiting > MANY
}

/// Whether it can be turned on, and is off.
pub(crate) fn is_off() -> bool {
    fs::read_to_string(SWITCH).is_ok_and(|value| value.trim() == "0")
}

fn set(value: &str) -> io::Result<()> {
    fs::write(SWITCH, value)
}
