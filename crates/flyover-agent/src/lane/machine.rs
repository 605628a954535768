//! Moves a lane: looks, has it decided, does it, and says how far it is.
//!
//! Invariant: what is about to be done is said before, so that whoever watches sees it even if the node ends in it.

use std::time::Instant;

use flyover_api::resource::{Assignment, Lane, LanePhase, LaneStatus, Wanted};
use flyover_core::Disturbance;
use flyover_host::journal::Cause;

use super::decide::{Memory, Next, Verdict, decide, is_at_an_end};
use super::heals::Heals;
use super::{Desk, Done, Event, Happened, Look, Removed, Runner, Sight};

/// A lane, and what was said of it last.
pub struct Machine {
    lane: Lane,
    runner: Box<dyn Runner>,
    status: Option<LaneStatus>,
    heals: Heals,
    /// The node is about to end: a second reboot is not to be asked for meanwhile.
    rebooting: bool,
    /// What a process does for it was begun.
    resumed: bool,
}

impl Machine {
    /// A lane, of which `status` was said by an earlier process.
    #[must_use]
    pub fn new(lane: Lane, runner: Box<dyn Runner>, status: Option<LaneStatus>) -> Self {
        Self { lane, runner, status, heals: Heals::default(), rebooting: false, resumed: false }
    }

    /// Which lane.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// What was said of it last.
    #[must_use]
    pub fn status(&self) -> Option<&LaneStatus> {
        self.status.as_ref()
    }

    /// As an earlier process said it.
    pub fn remember(&mut self, status: LaneStatus) {
        self.status = Some(status);
    }

    /// Looks, and does what is to be done. `below` is a lane that has to come to its end first.
    pub fn turn(&mut self, assignment: Option<&Assignment>, below: Option<Lane>, desk: &dyn Desk) {
        if self.rebooting {
            return;
        }
        let Some(assignment) = assignment else {
            // Nothing is taken away because nobody asks for it any more: that would have to be asked for.
            if self.status.take_if(|status| status.phase == LanePhase::Clean).is_some() {
                desk.say(self.lane, None);
            }
            return;
        };
        let hash = assignment.wanted.as_ref().map(|wanted| &wanted.hash);
        if self.status.as_ref().is_some_and(|status| status.hash.as_ref() != hash) {
            self.heals.forget();
        }
        if is_at_an_end(assignment, self.status.as_ref()) {
            return desk.say(self.lane, self.status.as_ref());
        }
        let look = match &assignment.wanted {
            Some(wanted) => {
                if !std::mem::replace(&mut self.resumed, true) && self.stood(wanted) {
                    self.runner.resume(wanted);
                }
                self.runner.look(wanted)
            }
            None => self.runner.look_back(),
        };
        let healed = self.heals.lately(Instant::now());
        let memory = Memory { was: self.status.as_ref(), healed, below };
        let next = decide(assignment, &look, memory);
        let sight = if let Look::Seen(sight) = look { sight } else { Sight::default() };
        match (next, &assignment.wanted) {
            (Next::Rest(verdict), wanted) => self.rest(wanted.as_ref(), verdict, sight, desk),
            (Next::Apply, Some(wanted)) => self.apply(wanted, assignment.allow, sight, desk),
            (Next::Heal, Some(wanted)) => self.heal(wanted, sight, desk),
            (Next::Apply | Next::Heal | Next::Remove, _) => self.remove(sight, desk),
        }
    }

    fn stood(&self, wanted: &Wanted) -> bool {
        let stood = |status: &LaneStatus| matches!(status.phase, LanePhase::Ready | LanePhase::Drifted);
        self.status.as_ref().is_some_and(|status| status.hash.as_ref() == Some(&wanted.hash) && stood(status))
    }

    fn rest(&mut self, wanted: Option<&Wanted>, verdict: Verdict, sight: Sight, desk: &dyn Desk) {
        let before = self.status.as_ref().map(|status| (status.phase, status.reason.clone()));
        let happened = match verdict.phase {
            LanePhase::Drifted => Some(Happened::Drifted),
            LanePhase::Failed => Some(Happened::Failed),
            LanePhase::Refused => Some(Happened::Refused),
            _ => None,
        };
        if let Some(what) = happened.filter(|_| before != Some((verdict.phase, verdict.reason.to_owned()))) {
            self.tell(wanted, what, verdict.message.clone(), desk);
        }
        self.say(wanted, verdict, sight, desk);
    }

    fn apply(&mut self, wanted: &Wanted, allow: Disturbance, sight: Sight, desk: &dyn Desk) {
        let count = sight.plan.as_ref().map_or(0, |plan| plan.count);
        let doing = Verdict::new(LanePhase::Applying, "Applying", told(count, "being done"));
        if !self.begin(Some(wanted), doing, sight, desk) {
            return;
        }
        let done = self.runner.apply(wanted, allow, Cause::Asked);
        self.rebooting = matches!(done, Done::Rebooting(_));
        let (verdict, sight) = applied(done);
        let what = match verdict.phase {
            LanePhase::Ready => Some(Happened::Applied),
            LanePhase::Refused => Some(Happened::Refused),
            LanePhase::Failed => Some(Happened::Failed),
            _ => None,
        };
        if let Some(what) = what {
            let made = what == Happened::Applied;
            let note =
                if made { format!("{}, and it is so", told(count, "done")) } else { verdict.message.clone() };
            self.tell(Some(wanted), what, note, desk);
        }
        self.say(Some(wanted), verdict, sight, desk);
    }

    fn heal(&mut self, wanted: &Wanted, sight: Sight, desk: &dyn Desk) {
        let found = sight.drift.join("; ");
        self.heals.once_more(Instant::now());
        self.tell(Some(wanted), Happened::Drifted, found.clone(), desk);
        // No reboot heals what somebody changed.
        let (verdict, left) = match self.runner.apply(wanted, Disturbance::Service, Cause::Drift) {
            Done::Made { drift, .. } if drift.is_empty() => {
                self.tell(Some(wanted), Happened::Healed, format!("made so again: {found}"), desk);
                let verdict = Verdict::new(LanePhase::Ready, "AsAsked", "all is as it was asked for");
                (verdict, Sight { drift: Vec::new(), ..sight })
            }
            Done::Made { drift, .. } => {
                let message = format!("it was healed, and is not so: {}", drift.join("; "));
                (Verdict::new(LanePhase::Drifted, "NotHealed", message), Sight { drift, ..sight })
            }
            Done::Rebooting(why) | Done::Busy(why) | Done::Refused(why) | Done::Failed(why) => {
                (Verdict::new(LanePhase::Drifted, "NotHealed", why), sight)
            }
        };
        self.say(Some(wanted), verdict, left, desk);
    }

    fn remove(&mut self, sight: Sight, desk: &dyn Desk) {
        let plan = sight.plan.clone();
        let doing = Verdict::new(LanePhase::Removing, "Removing", "all is being taken back");
        if !self.begin(None, doing, sight, desk) {
            return;
        }
        let sight = Sight { plan, ..Sight::default() };
        match self.runner.remove() {
            Removed::Clean(receipt) => {
                let message = format!("{} things were put back", receipt.len());
                self.tell(None, Happened::Removed, message.clone(), desk);
                let clean = Verdict::new(LanePhase::Clean, "Clean", message);
                let status = LaneStatus { receipt, ..self.status_of(None, clean, sight) };
                desk.say(self.lane, Some(self.status.insert(status)));
            }
            Removed::Left { reason, message } => {
                self.say(None, Verdict::new(LanePhase::Removing, reason, message), sight, desk);
            }
        }
    }

    /// Says that it begins. Workloads are disturbed only once the cluster knows: it may have taken back its leave.
    fn begin(&mut self, wanted: Option<&Wanted>, doing: Verdict, sight: Sight, desk: &dyn Desk) -> bool {
        let needs = sight.needs;
        let status = self.status_of(wanted, doing, sight.clone());
        let status = self.status.insert(status);
        if needs <= Disturbance::Link {
            desk.say(self.lane, Some(status));
            return true;
        }
        let confirmed = desk.confirm(self.lane, status);
        if !confirmed {
            let message = "the API server did not take it that this begins; it is tried again";
            self.say(wanted, Verdict::new(LanePhase::Waiting, "NotConfirmed", message), sight, desk);
        }
        confirmed
    }

    fn say(&mut self, wanted: Option<&Wanted>, verdict: Verdict, sight: Sight, desk: &dyn Desk) {
        let status = self.status_of(wanted, verdict, sight);
        desk.say(self.lane, Some(self.status.insert(status)));
    }

    fn status_of(&mut self, wanted: Option<&Wanted>, verdict: Verdict, sight: Sight) -> LaneStatus {
        let hash = wanted.map(|wanted| wanted.hash.clone());
        let last = self.status.take().filter(|last| last.hash == hash);
        let new = sight.notes.iter().filter(|note| !verdict.message.contains(note.as_str())).cloned();
        let message =
            std::iter::once(verdict.message.clone()).chain(new).collect::<Vec<_>>().join("; note: ");
        LaneStatus {
            hash,
            phase: verdict.phase,
            needs: sight.needs,
            reason: verdict.reason.to_owned(),
            message,
            plan: sight.plan.or_else(|| last.and_then(|last| last.plan)),
            journal: self.runner.journal(),
            drift: sight.drift,
            receipt: Vec::new(),
        }
    }

    fn tell(&self, wanted: Option<&Wanted>, what: Happened, note: String, desk: &dyn Desk) {
        let from = wanted.map(|wanted| wanted.from.clone());
        desk.tell(Event { lane: self.lane, from, what, note });
    }
}

/// So many steps.
fn told(count: u32, how: &str) -> String {
    match count {
        1 => format!("1 step is {how}"),
        count => format!("{count} steps are {how}"),
    }
}

/// What is said at once is what the next look will say: words that change later are told half a minute later.
fn applied(done: Done) -> (Verdict, Sight) {
    let sight = Sight::default();
    match done {
        Done::Made { drift, notes } if drift.is_empty() => (
            Verdict::new(LanePhase::Ready, "AsAsked", "all is as it was asked for"),
            Sight { notes, ..sight },
        ),
        Done::Made { drift, .. } => {
            let message = format!("all was done, and it is not so: {}", drift.join("; "));
            (Verdict::new(LanePhase::Failed, "NotAsAsked", message), Sight { drift, ..sight })
        }
        Done::Rebooting(why) => {
            let message = format!("the node reboots: {why}");
            (
                Verdict::new(LanePhase::Applying, "Rebooting", message),
                Sight { needs: Disturbance::Reboot, ..sight },
            )
        }
        Done::Busy(why) => (Verdict::new(LanePhase::Waiting, "Busy", why), sight),
        Done::Refused(why) => (Verdict::new(LanePhase::Refused, "Impossible", why), sight),
        Done::Failed(why) => (Verdict::new(LanePhase::Failed, "Failed", why), sight),
    }
}
