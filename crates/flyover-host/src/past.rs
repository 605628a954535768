//! The generations of a journal: in short, and which of them stands.

use flyover_core::PlanHash;
use serde::Serialize;

use crate::journal::{Generation, GenerationState};
use crate::store::{Store, StoreError};

/// A generation of the past, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Past {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub started: String,
    /// What was wanted.
    pub hash: PlanHash,
    /// How many steps it has.
    pub steps: usize,
    /// How far it is.
    pub state: String,
}

/// Whether a generation is in force.
#[must_use]
pub fn stands(generation: &Generation) -> bool {
    !matches!(generation.state, GenerationState::Stopped { .. } | GenerationState::RolledBack)
}

/// All generations, the oldest first.
pub fn history(store: &Store) -> Result<Vec<Past>, StoreError> {
    let past = |generation: Generation| Past {
        number: generation.number,
        steps: generation.steps.len(),
        state: generation.state.to_string(),
        started: generation.started,
        hash: generation.hash,
    };
    Ok(store.generations()?.into_iter().map(past).collect())
}

/// The generation that going back leaves standing: `to`, else the one before the newest that stands; zero is none. A
/// number that there is not is given back as an error.
pub fn last_to_stand(store: &Store, to: Option<u64>) -> Result<Result<u64, u64>, StoreError> {
    let generations = store.generations()?;
    let newest = generations.iter().map(|generation| generation.number).max().unwrap_or_default();
    Ok(match to {
        Some(to) if to > newest => Err(to),
        Some(to) => Ok(to),
        None => {
            let standing = generations.iter().rev().find(|generation| stands(generation));
            Ok(standing.map_or(0, |generation| generation.number - 1))
        }
    })
}
