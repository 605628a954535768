//! Changing a switch: forwards by a spec, backwards by the journal.

use flyover_api::SwitchSpec;
use flyover_core::{Action, Drift, OvsDaemons, Plan};
use flyover_host::executor::{self, Order, Outcome, Report};
use flyover_host::hands;
use flyover_host::journal::Cause;
use flyover_host::past::{Past, history};
use flyover_host::receipt::{Receipt, receipt};
use flyover_host::store::Held;
use serde::Serialize;

use super::{Switch, SwitchError};

/// How a spec was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was to be done.
    pub plan: Plan,
    /// What is not as the spec says all the same.
    pub drift: Vec<Drift>,
    /// What is so, and will be in force only once others have done their part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owed: Option<String>,
}

impl Switch {
    /// Makes the switch what the spec says, once all that was begun before is at an end, and looks whether it is. `now` is
    /// the time, for the record.
    pub fn apply(&self, spec: &SwitchSpec, cause: Cause, now: String) -> Result<Applied, SwitchError> {
        let held = self.store.lock()?;
        let applied = self.apply_held(&held, spec, cause, now);
        let left = leave(held);
        applied.and_then(|applied| left.map(|()| applied))
    }

    fn apply_held(
        &self,
        held: &Held,
        spec: &SwitchSpec,
        cause: Cause,
        now: String,
    ) -> Result<Applied, SwitchError> {
        if is_cut_off(held)? {
            self.wake(held)?;
        }
        executor::finish(held)?;
        let plan = self.view(spec)?.plan;
        let profile = serde_json::to_value(spec).expect("a spec has string keys only");
        let order = Order { plan: &plan, profile, cause, now, allow_reboot: false };
        let outcome = executor::apply(held, &order)?;
        let now = self.view(spec)?;
        Ok(Applied { outcome, plan, drift: now.drift, owed: now.owed })
    }

    /// Goes back to after generation `to`; zero is the switch as it was found.
    pub fn roll_back(&self, to: Option<u64>) -> Result<Report, SwitchError> {
        let held = self.store.lock()?;
        let report = self.roll_back_held(&held, to);
        let left = leave(held);
        report.and_then(|report| left.map(|()| report))
    }

    fn roll_back_held(&self, held: &Held, to: Option<u64>) -> Result<Report, SwitchError> {
        let to = self.before(to)?;
        self.wake(held)?;
        self.refuse_occupied(&self.rollback_plan(Some(to))?)?;
        Ok(executor::roll_back(held, to)?)
    }

    /// Daemons that are ours and ended by themselves are started, for what they keep is to be put back.
    fn wake(&self, held: &Held) -> Result<(), SwitchError> {
        if self.puts_back_daemons()? {
            return Ok(());
        }
        for owned in held.ledger()?.into_values() {
            let Action::OvsDaemons(daemons) = owned.wished else { continue };
            let running = Action::OvsDaemons(OvsDaemons { running: true, ..daemons });
            let hand = hands::of(&running);
            if !hand.holds(&self.host)? {
                tracing::info!(switch = %self.rundir, "starting the daemons, to put back what they keep");
                hand.act(&self.host)?;
            }
        }
        Ok(())
    }

    /// Takes the journal itself away, where nothing of it stands; whether it is away.
    pub fn forget(&self) -> Result<bool, SwitchError> {
        Ok(self.store.lock()?.forget()?)
    }

    /// All generations, the oldest first.
    pub fn history(&self) -> Result<Vec<Past>, SwitchError> {
        Ok(history(&self.store)?)
    }

    /// What of the switch is ours.
    pub fn receipt(&self) -> Result<Receipt, SwitchError> {
        Ok(receipt(&self.store)?)
    }
}

/// Where nothing was ever recorded, the lock was for nothing, and goes.
fn leave(held: Held) -> Result<(), SwitchError> {
    // A journal that cannot be read is one.
    if held.generations().is_ok_and(|all| all.is_empty()) {
        held.forget()?;
    }
    Ok(())
}

/// Whether a crash left something half done.
fn is_cut_off(held: &Held) -> Result<bool, SwitchError> {
    let last = held.generations()?.pop();
    Ok(held.rollback()?.is_some() || last.is_some_and(|last| !last.is_settled()))
}
