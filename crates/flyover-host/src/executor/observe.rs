//! Looks at all that is wished and all that is ours, before a plan is made.

use flyover_core::{Action, Ledger, Wish};
use flyover_plan::{Observations, Observed};

use super::prepares;
use crate::hands;
use crate::root::{HostError, HostRoot};

/// What the hands find of all that is wished, and of all that is ours. What another wish brings first, as a module
/// does its sysctls, is not there to be looked at; what is ours and cannot be looked at any more is left alone.
pub fn observe(host: &HostRoot, wishes: &[Wish], ledger: &Ledger) -> Result<Observations, HostError> {
    let mut observed = Observations::new();
    for owned in ledger.values() {
        match hands::of(&owned.wished).observe(host) {
            Ok(found) => {
                observed.insert(owned.wished.subject(), Observed { found, holds: false });
            }
            Err(HostError::Unsupported(why)) => tracing::warn!(subject = %owned.wished.subject(), why),
            Err(other) => return Err(other),
        }
    }
    for wish in wishes.iter().filter(|wish| !matches!(wish.action, Action::Reboot(_))) {
        let hand = hands::of(&wish.action);
        let seen = hand.observe(host).and_then(|found| Ok(Observed { found, holds: hand.holds(host)? }));
        match seen {
            Ok(seen) => drop(observed.insert(wish.action.subject(), seen)),
            Err(HostError::Unsupported(_))
                if wishes.iter().any(|other| prepares(&other.action, &wish.action)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(observed)
}
