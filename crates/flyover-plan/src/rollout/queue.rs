//! Whose turn it is: which nodes may be claimed, and which may have another assignment.
//!
//! Invariant: with a new claim no more than `maxUnavailable` of the resource's nodes are down, whoever took them down.

use std::collections::BTreeSet;

use flyover_api::resource::RolloutStatus;

use super::goal::Goal;
use super::look::{Look, Said, Stage};
use super::{Survey, View};

/// What is known when turns are given.
pub(super) struct Queue<'a> {
    view: &'a View,
    status: &'a RolloutStatus,
    nodes: &'a [(Look<'a>, Goal)],
    open: bool,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    /// They are claimed.
    pub(super) claim: BTreeSet<&'a str>,
    /// Their agents are held, so that they can be claimed next.
    pub(super) hold: BTreeSet<&'a str>,
    /// They may have what their goal asks for.
    pub(super) change: BTreeSet<&'a str>,
}

impl<'a> Queue<'a> {
    pub(super) fn of(view: &'a View, survey: &'a Survey<'a>) -> Self {
        Self { view, status: &survey.status, nodes: &survey.nodes, open: survey.open }
    }

    /// Gives turns.
    pub(super) fn turns(&self) -> Turns<'a> {
        let mut turns = Turns { change: self.changes(), ..Turns::default() };
        let max = self.max_unavailable();
        let mut down = self.down();
        let mut waiting: Vec<_> =
            self.nodes.iter().filter(|(look, goal)| self.may_claim(look, *goal)).collect();
        waiting.sort_by_key(|(look, _)| (look.stage != Stage::Held, look.target, look.name()));
        for (look, _) in waiting {
            if down.len() + usize::from(!down.contains(look.name())) > max {
                continue;
            }
            down.insert(look.name());
            let into = if look.stage == Stage::Held { &mut turns.claim } else { &mut turns.hold };
            into.insert(look.name());
        }
        turns
    }

    /// Nodes that are down, whoever took them down.
    pub(super) fn down(&self) -> BTreeSet<&'a str> {
        let down = self.nodes.iter().filter(|(look, _)| look.counts() && is_down(look));
        down.map(|(look, _)| look.name()).collect()
    }

    /// Whether a node waits to be claimed, if there is room.
    pub(super) fn may_claim(&self, look: &Look<'_>, goal: Goal) -> bool {
        let node = look.node;
        let here = node.exists && look.tended && !look.abandoned && !look.foreign && !look.elsewhere;
        let free = !look.claimed && !look.cordoned && look.stage != Stage::Raised;
        let untried = look.target && !look.proven;
        let turn = !untried || node.ready && self.is_let(look);
        let asked = goal == Goal::Keep && look.said.needs_claim() && !self.view.is_senseless();
        here && free && turn && asked && !look.is_blocked(self.status)
    }

    /// Whether the newest spec may come to this node now.
    fn is_let(&self, look: &Look<'_>) -> bool {
        let early = self.is_canary(look);
        !self.view.resource.rollout.pause && self.status.halted.is_none() && (self.open || early)
    }

    fn is_canary(&self, look: &Look<'_>) -> bool {
        self.status.canaries.iter().any(|name| name == look.name())
    }

    /// Nodes that may have what their goal asks for. In the middle of a cycle that disturbs nobody anew.
    fn changes(&self) -> BTreeSet<&'a str> {
        let limit = self.max_unavailable().max(self.count() / 10);
        let busy = self.nodes.iter().filter(|(look, goal)| self.is_in_flight(look, *goal));
        let mut flight: BTreeSet<&str> = busy.map(|(look, _)| look.name()).collect();
        let mut change = BTreeSet::new();
        for (look, goal) in self.nodes {
            let let_in = match goal {
                Goal::Keep => false,
                Goal::Change if look.node.waits_for.is_some() || look.absent => false,
                Goal::GoBack => true,
                Goal::TakeBack if !look.node.ready || look.absent => true,
                Goal::Change if !self.is_let(look) || look.foreign => false,
                // A canary that was chosen gets the change, whatever became of it since: another one is chosen only after it
                // was given back, or two of them could have it.
                Goal::Change
                    if !self.is_canary(look) && (!look.node.ready || look.is_blocked(self.status)) =>
                {
                    false
                }
                Goal::Change | Goal::TakeBack => {
                    let room = flight.contains(look.name()) || flight.len() < limit;
                    if room {
                        flight.insert(look.name());
                    }
                    room || look.stage != Stage::Out
                }
            };
            if let_in {
                change.insert(look.name());
            }
        }
        change
    }

    /// Whether a node is, or may be at any moment, disturbed by what it was told.
    fn is_in_flight(&self, look: &Look<'_>, goal: Goal) -> bool {
        let told =
            look.node.exists && look.ours && look.tended && !look.abandoned && look.node.assignment.is_some();
        told && match look.said {
            Said::Working => true,
            _ if goal != Goal::Keep => false,
            Said::Nothing => !look.absent && (look.node.ready || look.target),
            Said::Waiting(_) => look.claimed || self.may_go_on(look),
            _ => false,
        }
    }

    /// Whether a node that waits is to be claimed sooner or later, with no other node's help.
    fn may_go_on(&self, look: &Look<'_>) -> bool {
        look.node.ready && !look.is_blocked(self.status) && (!look.target || look.proven || self.is_let(look))
    }

    fn count(&self) -> usize {
        self.nodes.iter().filter(|(look, _)| look.counts()).count()
    }

    /// How many nodes may be down.
    pub(super) fn max_unavailable(&self) -> usize {
        self.view.resource.rollout.max_unavailable.of(self.count())
    }
}

fn is_down(look: &Look<'_>) -> bool {
    let told = look.claimed || look.node.claimed_elsewhere || look.stage == Stage::Raised;
    told || !look.node.ready || look.node.unschedulable
}
