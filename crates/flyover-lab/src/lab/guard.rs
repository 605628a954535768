//! A guard that removes a lab, for tests and for runs that need one only for themselves.

use std::ops::Deref;

use super::Lab;

/// A lab that is removed when this is dropped, unless it was [committed](LabGuard::commit).
#[derive(Debug)]
pub struct LabGuard(pub(super) Option<Lab>);

impl LabGuard {
    /// Lets the lab live on.
    #[must_use]
    pub fn commit(mut self) -> Lab {
        self.0.take().expect("only committing and dropping take the lab, and both end the guard")
    }
}

impl Deref for LabGuard {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("only committing and dropping take the lab, and both end the guard")
    }
}

impl Drop for LabGuard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Lab::down) {
            tracing::warn!(%error, "failed to remove a lab");
        }
    }
}
