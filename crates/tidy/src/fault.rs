//! One thing that is not as it should be, and where.

use std::fmt;
use std::path::PathBuf;

/// A broken rule: printed as `path:line: what`, so that editors jump to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, relative to the root of the repository.
    pub path: PathBuf,
    /// The line, counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// What is wrong and, where it is not plain, what to do.
    pub what: String,
}

impl Fault {
    /// A fault of a file as a whole.
    pub fn of(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: 0, what: what.into() }
    }

    /// A fault in one line, counted from 1.
    pub fn at(path: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path.display(), self.what),
            line => write!(f, "{}:{line}: {}", self.path.display(), self.what),
        }
    }
}
