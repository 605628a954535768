//! Which thread polls which queue.

use super::scan::{after, number};
use super::work::Thread;

/// A thread that polls, and its queues.
#[derive(Clone, Debug, PartialEq)]
pub struct Pmd {
    /// Which.
    pub thread: Thread,
    /// Whether it polls only queues that were pinned to it.
    pub isolated: bool,
    /// What it polls.
    pub queues: Vec<Queue>,
    /// Per cent of its time that went into none of its queues.
    pub overhead: Option<u32>,
}

/// A queue of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Of which port.
    pub port: String,
    /// Its number.
    pub number: u32,
    /// Whether it is polled; a guest may not use all the queues it was offered.
    pub enabled: bool,
    /// Per cent of its thread's time; `None` until it has been measured.
    pub usage: Option<u32>,
}

impl Pmd {
    /// All threads that are told of.
    #[must_use]
    pub fn all(text: &str) -> Vec<Self> {
        let mut pmds: Vec<Self> = Vec::new();
        for line in text.lines() {
            if let Some(thread) = Thread::of(line) {
                pmds.push(Self { thread, isolated: false, queues: Vec::new(), overhead: None });
            } else if let Some(pmd) = pmds.last_mut() {
                pmd.hear(line.trim());
            }
        }
        pmds
    }

    fn hear(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("isolated") {
            self.isolated = rest.trim_start_matches([' ', ':']).starts_with("true");
        } else if let Some(rest) = line.strip_prefix("overhead:") {
            self.overhead = number(rest);
        } else if let Some(rest) = line.strip_prefix("port:") {
            self.queues.extend(Queue::of(rest));
        }
    }
}

impl Queue {
    fn of(text: &str) -> Option<Self> {
        // A port may be called anything without a slash, so what follows its name is looked for from behind.
        let (port, rest) = text.rsplit_once("queue-id:")?;
        Some(Self {
            port: port.trim().to_owned(),
            number: number(rest)?,
            enabled: !rest.contains("(disabled)"),
            usage: after(rest, "pmd usage:").and_then(number),
        })
    }
}
