//! Runs the program on captured hosts.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use flyover_testkit::hosts;
use tempfile::{NamedTempFile, TempDir};

/// What a run ended with.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// `flyover node` with these arguments.
pub(crate) fn node(args: &[&str]) -> Ran {
    Command::new(env!("CARGO_BIN_EXE_flyover")).arg("node").args(args).output().unwrap().into()
}

/// A file that goes with its guard.
pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// A captured host by the name of its fixture, in a file.
pub(crate) fn captured(name: &str) -> NamedTempFile {
    file(&hosts::named(name).unwrap().to_string())
}

/// `flyover node VERB -f PROFILE --host FIXTURE`.
pub(crate) fn on(fixture: &str, verb: &str, profile: &str, more: &[&str]) -> Ran {
    let (host, profile) = (captured(fixture), file(profile));
    let paths = [host.path(), profile.path()].map(|path| path.to_str().unwrap());
    node(&[&[verb, "--host", paths[0], "-f", paths[1]], more].concat())
}

/// A folder that goes with its guard, and its path.
pub(crate) fn folder() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path)
}

/// The text of a file in a folder.
pub(crate) fn text(folder: &str, name: &str) -> String {
    std::fs::read_to_string(Path::new(folder).join(name)).unwrap()
}
