//! Paths that are laid once and stay: a table of ways.

use std::collections::HashMap;

use super::{Case, Ends, LayingError, PathName, Paths};
use crate::place::Way;

/// For each path, its ways between the ends of a case.
#[derive(Clone, Debug, Default)]
pub struct Ways(HashMap<(PathName, Ends), Way>);

impl Ways {
    /// No way yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a way. Processors are chosen by the comparison.
    pub fn insert(&mut self, path: PathName, ends: Ends, way: Way) {
        self.0.insert((path, ends), way);
    }
}

impl Paths for Ways {
    fn way(&mut self, path: PathName, case: &Case) -> Result<Option<Way>, LayingError> {
        Ok(self.0.get(&(path, case.ends)).cloned())
    }
}
