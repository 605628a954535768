//! What is past the files of a captured host: answers that were recorded, and a refusal of all else.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use flyover_core::HostPath;

use super::HostTree;
use crate::cmd::CmdError;
use crate::root::Outside;

/// Answers from a record.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    answers: BTreeMap<String, String>,
}

impl Recorded {
    /// The answers in a tree.
    #[must_use]
    pub fn of(tree: &HostTree) -> Self {
        Self {
            answers: tree
                .answers()
                .map(|(command, output)| (command.to_owned(), output.to_owned()))
                .collect(),
        }
    }
}

impl Outside for Recorded {
    fn write_attribute(&self, _root: &Path, _path: &HostPath, _value: &str) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::ReadOnlyFilesystem,
            "this host is a record, so it cannot be changed",
        ))
    }

    fn run(&self, _root: &Path, program: &str, args: &[&str], _limit: Duration) -> Result<String, CmdError> {
        let command = [&[program], args].concat().join(" ");
        let answer = self.answers.get(&command).cloned();
        let source = || io::Error::other("this host is a record, and holds no answer to it");
        answer.ok_or_else(|| CmdError::Start { command, source: source() })
    }
}
