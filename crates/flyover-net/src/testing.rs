//! Network namespaces for this crate's own tests.
//!
//! Invariant: what a test makes is gone when the test ends, also when it fails.

use std::sync::atomic::{AtomicU32, Ordering};

use flyover_host::cmd::Cmd;

use crate::netns::Netns;

/// A fresh namespace that goes with this guard.
pub(crate) struct Room(Netns);

impl Room {
    pub(crate) fn new(purpose: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fo-{purpose}-{}-{number}", std::process::id());
        Self(Netns::create(&name).unwrap())
    }

    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.run(work).unwrap()
    }

    /// Runs a shell script in it.
    pub(crate) fn sh(&self, script: &str) -> String {
        self.run(|| Cmd::new("sh").args(["-euc", script]).run().unwrap())
    }

    pub(crate) fn netns(&self) -> &Netns {
        &self.0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Err(error) = Netns::delete(self.0.name()) {
            eprintln!("{error}");
        }
    }
}
