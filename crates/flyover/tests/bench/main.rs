//! `flyover bench` as a person meets it: options, what is printed, and where its threads run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod loopback;
mod root;

use std::collections::BTreeSet;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// `flyover bench` with these words.
fn bench(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyover"));
    command.arg("bench").args(words);
    command
}

/// What it printed; it must have ended well.
fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A measurement that runs meanwhile, and ends with this value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// The processors its threads may use, each as the kernel writes a list of them.
    fn allowed(&self) -> BTreeSet<String> {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.0.id())) else {
            return BTreeSet::new();
        };
        let statuses = threads.flatten().flat_map(|t| std::fs::read_to_string(t.path().join("status")));
        let list = |status: String| {
            let mut lines = status.lines();
            Some(lines.find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?.trim().to_owned())
        };
        statuses.filter_map(list).collect()
    }

    /// Waits until something is so while it runs.
    fn eventually(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            assert!(!self.is_over() && started.elapsed() < PATIENCE, "never seen: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}
