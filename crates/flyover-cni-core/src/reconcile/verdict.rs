//! Has somebody an attachment still?
//!
//! Invariant: this decides on what was seen, and sees nothing itself. Doubt is for the attachment.

use std::time::Duration;

use serde::Serialize;

use crate::state::Phase;

/// What is to become of an attachment, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// It stays.
    Keep {
        /// Why.
        because: &'static str,
    },
    /// It goes.
    Stale {
        /// Why.
        because: &'static str,
    },
}

/// What was seen of an attachment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// There is a state that cannot be read.
    pub(super) unreadable: bool,
    /// It is of another start of the machine.
    pub(super) rebooted: bool,
    /// How far it came; none is that there are only directories or a half-written state.
    pub(super) phase: Option<Phase>,
    /// Since when there is a state.
    pub(super) age: Option<Duration>,
    /// Whether the runtime knows it; none is that the runtime cannot be asked.
    pub(super) cached: Option<bool>,
    /// Whether the pod's network namespace is there still.
    pub(super) netns: bool,
    /// Whether its pod is there; none is that no pod is known or the kubelet cannot be asked.
    pub(super) pod: Option<bool>,
}

/// Decides.
pub(super) fn verdict(sight: &Sight, grace: Duration) -> Verdict {
    let keep = |because| Verdict::Keep { because };
    let stale = |because| Verdict::Stale { because };
    if sight.unreadable && sight.phase.is_none() {
        return keep("its state cannot be read");
    }
    let Some(phase) = sight.phase else {
        return stale("no attachment has this directory or half-written state");
    };
    if phase == Phase::Deleting {
        return stale("DEL did not come to its end");
    }
    if sight.rebooted {
        return stale("the machine was started again since");
    }
    if sight.age.is_some_and(|age| age < grace) {
        return keep("ADD may be under way");
    }
    match (sight.pod, sight.cached) {
        (Some(false), _) => stale("its pod is gone"),
        (_, Some(true)) => keep("the runtime knows it"),
        (Some(true), _) if phase == Phase::Attached => keep("its pod is there"),
        (Some(true), _) => stale("ADD did not come to its end, and the runtime does not know it"),
        // Multus keeps what it knows elsewhere than the runtime does, and does not always say which pod it is.
        (None, Some(false)) if sight.netns => keep("its network namespace is there"),
        (None, Some(false)) => stale("the runtime does not know it"),
        (None, None) => keep("neither the runtime nor the kubelet can be asked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Option<Duration> = Some(Duration::from_secs(100));

    fn is_stale(
        phase: Option<Phase>,
        age: Option<Duration>,
        cached: Option<bool>,
        pod: Option<bool>,
    ) -> bool {
        let sight = Sight { phase, age, cached, pod, ..Sight::default() };
        matches!(verdict(&sight, Duration::from_secs(60)), Verdict::Stale { .. })
    }

    #[test]
    fn what_neither_runtime_nor_kubelet_has_goes_and_doubt_keeps() {
        let attached = Some(Phase::Attached);
        let table = [
            (Some(true), None, false),
            (Some(true), Some(true), false),
            (Some(true), Some(false), true),
            (Some(false), None, true),
            (Some(false), Some(true), false),
            (Some(false), Some(false), true),
            (None, None, false),
            (None, Some(true), false),
            (None, Some(false), true),
        ];
        for (cached, pod, expected) in table {
            assert_eq!(is_stale(attached, OLD, cached, pod), expected, "{cached:?} {pod:?}");
        }
    }

    #[test]
    fn what_has_its_namespace_still_is_not_gone_because_a_cache_does_not_tell() {
        let sight = Sight {
            phase: Some(Phase::Attached),
            age: OLD,
            cached: Some(false),
            netns: true,
            ..Sight::default()
        };
        let keep = Verdict::Keep { because: "its network namespace is there" };
        assert_eq!(verdict(&sight, Duration::from_secs(60)), keep);
        let of_a_pod = Sight { pod: Some(false), ..sight };
        assert!(matches!(verdict(&of_a_pod, Duration::from_secs(60)), Verdict::Stale { .. }));
    }

    #[test]
    fn what_was_attached_before_the_machine_was_started_again_goes_whoever_speaks_of_it() {
        let known = Sight {
            phase: Some(Phase::Attached),
            age: Some(Duration::ZERO),
            cached: Some(true),
            pod: Some(true),
            ..Sight::default()
        };
        let grace = Duration::from_secs(60);
        assert!(matches!(verdict(&known, grace), Verdict::Keep { .. }));
        let gone = Verdict::Stale { because: "the machine was started again since" };
        assert_eq!(verdict(&Sight { rebooted: true, ..known }, grace), gone);
    }

    #[test]
    fn a_young_add_is_left_alone_and_an_old_unfinished_one_is_not() {
        let young = Some(Duration::from_secs(1));
        assert!(!is_stale(Some(Phase::Adding), young, Some(false), None));
        assert!(is_stale(Some(Phase::Adding), OLD, Some(false), Some(true)));
        assert!(is_stale(Some(Phase::Deleting), young, Some(true), Some(true)));
        assert!(is_stale(None, None, None, None));
    }

    #[test]
    fn what_cannot_be_read_is_kept_and_told() {
        let sight = Sight { unreadable: true, ..Sight::default() };
        assert_eq!(verdict(&sight, Duration::ZERO), Verdict::Keep { because: "its state cannot be read" });
    }
}
