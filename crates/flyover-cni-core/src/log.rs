//! One line for each verb, in the file that the node names and nowhere else.
//!
//! Invariant: what a pod or a network chose is escaped, so that a line is a line; a log that cannot be written fails nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::names::AttachmentId;
use crate::node::{LogLevel, Node};

/// The node's log.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<File>,
    level: LogLevel,
}

impl Log {
    /// Opens it, if the node wants one.
    #[must_use]
    pub fn open(node: &Node) -> Self {
        let open = |path: &std::path::PathBuf| {
            let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
            OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path).ok()
        };
        Self { file: node.log_file.as_ref().and_then(open), level: node.log_level }
    }

    /// Writes that a state was cut: what nobody knows of it is lost, and somebody may want to look.
    pub fn cut(&self, id: &AttachmentId) {
        let text = format!("the state of {id} was cut: what its port and its network do not say is lost");
        self.line(LogLevel::Error, &text);
    }

    /// Writes a line.
    pub fn line(&self, level: LogLevel, text: &str) {
        if level > self.level {
            return;
        }
        let Some(mut file) = self.file.as_ref() else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text: String = text.chars().take(2000).flat_map(escaped).collect();
        let line = format!("{}.{:03} {level:?} {text}\n", now.as_secs(), now.subsec_millis());
        let _written = file.write_all(line.as_bytes());
    }
}

fn escaped(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}
