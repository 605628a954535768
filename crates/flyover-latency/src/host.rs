//! What the measurements ask of `/proc`: how busy a processor is, how long a thread has run, and what machine it is.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::error::{MeasureError, failed};

/// A processor counts as idle if it was so for this share of a look.
const IDLE_SHARE: f64 = 0.9;
/// The kernel counts in ticks of 10 ms; a look must span several.
const LOOK: Duration = Duration::from_millis(50);

/// What the gate before a sample saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Whether the processor was idle in the end.
    pub idle: bool,
    /// How long it took.
    pub waited: Duration,
}

/// Waits until `cpu` is idle, or `limit` has passed.
pub fn wait_until_idle(cpu: usize, limit: Duration) -> Result<Gate, MeasureError> {
    let started = Instant::now();
    let mut before = CpuTime::of(Path::new("/proc"), cpu)?;
    while started.elapsed() < limit {
        std::thread::sleep(LOOK.min(limit));
        let now = CpuTime::of(Path::new("/proc"), cpu)?;
        if now.idle_share_since(before) >= IDLE_SHARE {
            return Ok(Gate { idle: true, waited: started.elapsed() });
        }
        before = now;
    }
    Ok(Gate { idle: false, waited: started.elapsed() })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTime {
    idle: u64,
    all: u64,
}

impl CpuTime {
    fn of(proc: &Path, cpu: usize) -> Result<Self, MeasureError> {
        let path = proc.join("stat");
        let text = fs::read_to_string(&path).map_err(failed("read", path.display().to_string()))?;
        Self::parse(&text, cpu)
            .ok_or_else(|| MeasureError::Peer(format!("of CPU {cpu} is not in /proc/stat")))
    }

    /// Fields: user nice system idle iowait irq softirq steal guest guest_nice; the guests' are in user already.
    fn parse(stat: &str, cpu: usize) -> Option<Self> {
        let name = format!("cpu{cpu}");
        let line = stat.lines().find(|l| l.split_whitespace().next() == Some(&name))?;
        let fields: Vec<u64> =
            line.split_whitespace().skip(1).take(8).map_while(|f| f.parse().ok()).collect();
        let idle = fields.get(3)? + fields.get(4)?;
        Some(Self { idle, all: fields.iter().sum() })
    }

    /// Without a tick in between, nothing ran for as long as a tick.
    fn idle_share_since(self, before: Self) -> f64 {
        match self.all.saturating_sub(before.all) {
            0 => 1.0,
            all => self.idle.saturating_sub(before.idle) as f64 / all as f64,
        }
    }
}

/// Processor time a thread of this process has used up to its last sleep, in nanoseconds.
pub(crate) fn thread_cpu_ns(thread: Pid) -> Result<u64, MeasureError> {
    let path = format!("/proc/self/task/{thread}/schedstat");
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    let ran = text.split_whitespace().next().and_then(|field| field.parse().ok());
    ran.ok_or_else(|| failed::<std::io::Error>("read", path)(std::io::ErrorKind::InvalidData.into()))
}

/// Release of the running kernel.
#[must_use]
pub fn kernel() -> String {
    read_trimmed("/proc/sys/kernel/osrelease")
}

/// Name of the processor.
#[must_use]
pub fn cpu() -> String {
    field_of(&read_trimmed("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned())
}

/// Memory of the machine, as the kernel writes it.
#[must_use]
pub fn memory() -> String {
    field_of(&read_trimmed("/proc/meminfo"), "MemTotal").unwrap_or_else(|| "unknown".to_owned())
}

fn field_of(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.split_once(':').filter(|(k, _)| k.trim() == key))?;
    Some(value.1.trim().to_owned())
}

fn read_trimmed(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 100 0 50 1000 10 0 5 0 0 0\nintr 1\n";
    const AFTER: &str = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 101 0 50 1009 10 0 5 0 0 0\nintr 1\n";

    #[test]
    fn the_idle_share_is_that_of_the_processor_between_two_looks() {
        let (before, after) = (CpuTime::parse(BEFORE, 1).unwrap(), CpuTime::parse(AFTER, 1).unwrap());
        assert!((after.idle_share_since(before) - 0.9).abs() < 1e-9);
        assert!((after.idle_share_since(after) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_processor_that_is_not_there_is_not_mistaken_for_another() {
        assert_eq!(CpuTime::parse(BEFORE, 11), None);
        assert_eq!(CpuTime::parse("cpu1 1 2 3", 1), None);
        let error = wait_until_idle(4096, Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains("CPU 4096"), "{error}");
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: Some Processor @ 2 GHz\n";
        assert_eq!(field_of(text, "model name").unwrap(), "Some Processor @ 2 GHz");
        assert_eq!(field_of(text, "name"), None);
    }
}
