//! Ends what was begun before anything new is begun.

use super::{ApplyError, Resumed, resume};
use crate::store::Held;

/// Brings to its end what a crash cut off. What waits for a reboot is planned anew by whoever goes on.
pub fn finish(held: &Held) -> Result<(), ApplyError> {
    match resume(held, false)? {
        Resumed::Nothing | Resumed::AwaitingReboot { .. } => {}
        Resumed::Finished(outcome) => tracing::info!(?outcome, "what was cut off is done"),
        Resumed::Undone { generation, why, remains } => {
            tracing::warn!(generation, why, ?remains, "what had failed is undone");
        }
        Resumed::RolledBack(report) => {
            tracing::info!(to = report.to, "the rollback that was cut off is done")
        }
    }
    Ok(())
}
