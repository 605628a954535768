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

impl Recorded {
    /// What a record says of one unit, whichever question the record answered. One it does not know was not there.
    fn unit(&self, program: &str, args: &[&str]) -> Option<String> {
        let &[verb, properties, unit] = args else { return None };
        if (program, verb) != ("systemctl", "show") || !properties.starts_with("--property=") {
            return None;
        }
        let id = format!("Id={unit}");
        let mut blocks = self.answers.iter().filter(|(command, _)| command.starts_with("systemctl show "));
        let known = blocks.find_map(|(_, answer)| {
            answer.split("\n\n").find(|block| block.lines().any(|line| line == id)).map(str::to_owned)
        });
        Some(
            known.unwrap_or_else(|| {
                format!("{id}\nLoadState=not-found\nUnitFileState=\nActiveState=inactive\n")
            }),
        )
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
        let answer = self.answers.get(&command).cloned().or_else(|| self.unit(program, args));
        let source = || io::Error::other("this host is a record, and holds no answer to it");
        answer.ok_or_else(|| CmdError::Start { command, source: source() })
    }
}
