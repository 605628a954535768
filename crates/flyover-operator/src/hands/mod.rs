//! What the operator writes, one request at a time: each under the version of the object that it was decided on.
//!
//! Invariants: nothing is written by who does not lead; an answer is given back whole, so that it is believed at once.

mod nodes;
mod resources;
mod states;

use kube::Client;
use kube::api::PatchParams;
use tokio::time::timeout;

use crate::lease::{Leading, REQUEST};

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    /// Another operator leads, or nobody.
    #[error("this operator does not lead")]
    NotLeading,
    /// The server did not answer in time.
    #[error("the API server did not answer within {}s", REQUEST.as_secs())]
    Late,
    /// It is not as it was when this was decided.
    #[error("{0} was changed meanwhile")]
    Changed(String),
    /// Anything else.
    #[error("failed to write {what}")]
    Failed {
        /// Which object.
        what: String,
        /// Why.
        source: kube::Error,
    },
}

/// What writes.
#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) client: Client,
    leading: Leading,
}

impl Hands {
    pub(crate) fn new(client: Client, leading: Leading) -> Self {
        Self { client, leading }
    }

    /// Does one request, if this operator leads.
    async fn ask<T>(
        &self,
        what: impl FnOnce() -> String,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, NotDone> {
        if !self.leading.now() {
            return Err(NotDone::NotLeading);
        }
        match timeout(REQUEST, request).await {
            Err(_) => Err(NotDone::Late),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if crate::failure::is_conflict(&error) || crate::failure::is_gone(&error) => {
                Err(NotDone::Changed(what()))
            }
            Ok(Err(source)) => Err(NotDone::Failed { what: what(), source }),
        }
    }
}

/// Server-side apply by our name. What is ours is ours: nobody else writes these fields.
fn apply() -> PatchParams {
    PatchParams::apply(crate::MANAGER).force()
}

/// A patch by our name.
fn patch() -> PatchParams {
    PatchParams { field_manager: Some(crate::MANAGER.into()), ..PatchParams::default() }
}
