//! What all lanes together are.

use std::collections::BTreeMap;

use flyover_api::resource::{ConditionType, Conditions, Lane, LanePhase, LaneStatus};

/// `Ready`, `Progressing`, `Degraded`, `Drifted`.
pub(super) fn of(lanes: &BTreeMap<Lane, LaneStatus>) -> Conditions {
    use LanePhase::{Applying, Clean, Drifted, Failed, Ready, Refused, Removing, Waiting};
    let first = |phases: &[LanePhase]| lanes.iter().find(|(_, status)| phases.contains(&status.phase));
    let condition =
        |conditions: Conditions, kind, found: Option<(&Lane, &LaneStatus)>, none: &str| match found {
            Some((lane, status)) => {
                conditions.with(kind, true, &status.reason, format!("{lane}: {}", status.message))
            }
            None => conditions.with(kind, false, none, ""),
        };
    let conditions = Conditions::default();
    // What nobody but a person mends is told first.
    let unready = first(&[Failed, Refused])
        .or_else(|| first(&[Drifted]))
        .or_else(|| first(&[Waiting, Applying, Removing]));
    let conditions = match unready {
        Some((lane, status)) => {
            let message = format!("{lane}: {}", status.message);
            conditions.with(ConditionType::Ready, false, &status.reason, message)
        }
        None if lanes.values().any(|status| status.phase == Ready) => {
            conditions.with(ConditionType::Ready, true, "AsAsked", "all is as it was asked for")
        }
        None if first(&[Clean]).is_some() => {
            conditions.with(ConditionType::Ready, true, "Clean", "all was taken back")
        }
        None => conditions.with(ConditionType::Ready, true, "NothingAsked", "nothing is asked of this node"),
    };
    let conditions =
        condition(conditions, ConditionType::Progressing, first(&[Waiting, Applying, Removing]), "Settled");
    let conditions =
        condition(conditions, ConditionType::Degraded, first(&[Failed, Refused, Drifted]), "Well");
    condition(conditions, ConditionType::Drifted, first(&[Drifted]), "AsAsked")
}

#[cfg(test)]
mod tests {
    use flyover_api::resource::Truth;
    use flyover_core::Disturbance;

    use super::*;

    fn lane(phase: LanePhase, reason: &str) -> LaneStatus {
        LaneStatus {
            hash: None,
            phase,
            needs: Disturbance::None,
            reason: reason.to_owned(),
            message: "m".to_owned(),
            plan: None,
            journal: Vec::new(),
            drift: Vec::new(),
            receipt: Vec::new(),
        }
    }

    fn told(lanes: &[(Lane, LanePhase, &str)]) -> String {
        let lanes = lanes.iter().map(|(name, phase, reason)| (*name, lane(*phase, reason))).collect();
        let conditions = of(&lanes).since(&[], "t", None);
        let word = |truth| if truth == Truth::True { "yes" } else { "no" };
        let all = conditions.iter().map(|c| format!("{:?}={} {}", c.kind, word(c.status), c.reason));
        all.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_somebody_has_to_look_at_is_told_first() {
        use LanePhase::{Drifted, Failed, Ready, Waiting};
        assert_eq!(
            told(&[
                (Lane::Profile, Waiting, "NeedsMore"),
                (Lane::FastPath, Drifted, "Contested"),
                (Lane::Switch, Failed, "Failed")
            ]),
            "Ready=no Failed, Progressing=yes NeedsMore, Degraded=yes Contested, Drifted=yes Contested"
        );
        assert_eq!(
            told(&[(Lane::Profile, Ready, "AsAsked")]),
            "Ready=yes AsAsked, Progressing=no Settled, Degraded=no Well, Drifted=no AsAsked"
        );
        assert_eq!(
            told(&[]),
            "Ready=yes NothingAsked, Progressing=no Settled, Degraded=no Well, Drifted=no AsAsked"
        );
    }
}
