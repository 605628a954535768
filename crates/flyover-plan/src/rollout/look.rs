//! One node as the roll-out of one resource sees it: whose it is, where in its cycle it stands, what its agent said last.
//!
//! Invariant: nothing is decided here.

use std::collections::BTreeSet;

use flyover_api::resource::{Assignment, LanePhase, LaneStatus, RolloutStatus, Wanted};
use flyover_core::Disturbance;

use super::{NodeView, Place, View};

/// What an agent may do on a node that nobody has claimed.
pub(super) const OUT: Disturbance = Disturbance::Link;
/// What it may do on a node that is being emptied.
pub(super) const HELD: Disturbance = Disturbance::None;

/// A node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub(super) node: &'a NodeView,
    /// The assignment is this resource's to change, by who wrote it; or there is none, and the node is its own.
    pub(super) ours: bool,
    /// Another resource of the lane is in the middle of a cycle here.
    pub(super) foreign: bool,
    /// Another resource empties the node, or is about to.
    pub(super) elsewhere: bool,
    /// It has the resource's newest spec, from it.
    pub(super) target: bool,
    /// It was once ready with what it is to have now.
    pub(super) proven: bool,
    /// It stands in the claims that were written down.
    pub(super) claimed: bool,
    /// Its cordon, or what is left of it, is this resource's to lift.
    pub(super) cordoned: bool,
    /// A deletion does not wait for it.
    pub(super) abandoned: bool,
    /// A change, or taking it back, is this resource's business here.
    pub(super) tended: bool,
    /// No agent was ever heard there, though it was waited for: nobody does what is asked for.
    pub(super) absent: bool,
    pub(super) stage: Stage,
    pub(super) said: Said,
}

/// Where a node stands in the cycle of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the first step or after the last but two: the agent does what disturbs no workload.
    Out,
    /// The agent does nothing; the node is claimed, cordoned and emptied.
    Held,
    /// The agent may disturb workloads.
    Raised,
}

/// What the agent said of the present assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing yet.
    Nothing,
    /// It would do this much.
    Waiting(Disturbance),
    /// It is at work, be it for an earlier assignment.
    Working,
    /// All is as asked for.
    Ready,
    /// It was.
    Drifted,
    /// It failed, or cannot be.
    Bad,
    /// All was taken back.
    Clean,
}

impl Said {
    /// The agent does nothing more by itself.
    pub(super) fn is_end(self) -> bool {
        matches!(self, Self::Ready | Self::Drifted | Self::Bad | Self::Clean)
    }

    /// Workloads must leave before the agent goes on.
    pub(super) fn needs_claim(self) -> bool {
        matches!(self, Self::Waiting(needs) if needs > OUT)
    }
}

impl<'a> Look<'a> {
    /// At every node, by name.
    pub(super) fn all(view: &'a View) -> Vec<Self> {
        let claims: BTreeSet<&str> = view.resource.status.claims.iter().map(String::as_str).collect();
        let tag = view.tag();
        let mut looks: Vec<_> = view.nodes.iter().map(|node| Self::at(view, &claims, &tag, node)).collect();
        looks.sort_by(|a, b| a.node.name.cmp(&b.node.name));
        looks
    }

    fn at(view: &'a View, claims: &BTreeSet<&str>, tag: &str, node: &'a NodeView) -> Self {
        let resource = &view.resource;
        let assignment = node.assignment.as_ref();
        let own = node.place == Place::Own;
        let ours = match assignment.and_then(keeper) {
            None => own,
            Some(keeper) => keeper == resource.name || own && node.assignment_orphaned,
        };
        let cordoned = match &node.cordoned_for {
            None => false,
            Some(by) => *by == tag || own && node.cordon_orphaned,
        };
        let stage = assignment.map_or(Stage::Out, stage);
        let wanted = assignment.and_then(|assignment| assignment.wanted.as_ref());
        let abandoned = resource.deleting && resource.abandoned.names(&node.name);
        Self {
            node,
            ours,
            foreign: !ours && stage != Stage::Out,
            elsewhere: node.claimed_elsewhere || node.cordoned_for.is_some() && !cordoned,
            target: wanted.is_some_and(|w| w.hash == resource.wanted.hash && w.from == resource.name),
            proven: assignment.is_some_and(proven),
            claimed: claims.contains(node.name.as_str()),
            cordoned,
            abandoned,
            tended: match node.place {
                Place::Own => true,
                Place::Free => ours,
                Place::Contested => ours && resource.deleting,
                Place::Other => false,
            },
            absent: node.agent.is_absent() && node.status.is_none(),
            stage: if ours { stage } else { Stage::Out },
            said: assignment.map_or(Said::Nothing, |assignment| said(assignment, node.status.as_ref())),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &'a str {
        &self.node.name
    }

    /// Its agent should have been heard long ago.
    pub(super) fn is_missed(&self) -> bool {
        self.absent && self.node.ready || self.node.agent.is_silent()
    }

    /// It is to have nothing, and that is known to its agent or will be.
    pub(super) fn is_taken_back(&self) -> bool {
        self.node.assignment.as_ref().is_some_and(|assignment| assignment.wanted.is_none())
    }

    /// It is one of the nodes that `maxUnavailable` is counted over.
    pub(super) fn counts(&self) -> bool {
        self.node.exists && !self.abandoned && (self.node.place == Place::Own || self.ours || self.claimed)
    }

    /// It could not be emptied, and is not tried again yet.
    pub(super) fn is_blocked(&self, status: &RolloutStatus) -> bool {
        status.blocked.iter().any(|blocked| blocked.node == self.node.name)
    }
}

/// Which resource an assignment is of.
pub(super) fn keeper(assignment: &Assignment) -> Option<&str> {
    assignment.wanted.as_ref().or(assignment.previous.as_ref()).map(|wanted| wanted.from.as_str())
}

/// Whether the node was once ready with this. It is noted by naming it as what the node had before.
pub(super) fn proven(assignment: &Assignment) -> bool {
    let hash = |wanted: &Option<Wanted>| wanted.as_ref().map(|wanted| wanted.hash.clone());
    assignment.wanted.is_some() && hash(&assignment.wanted) == hash(&assignment.previous)
}

fn stage(assignment: &Assignment) -> Stage {
    match assignment.allow {
        HELD => Stage::Held,
        allow if allow > OUT => Stage::Raised,
        _ => Stage::Out,
    }
}

fn said(assignment: &Assignment, status: Option<&LaneStatus>) -> Said {
    let Some(status) = status else { return Said::Nothing };
    match status.phase {
        LanePhase::Applying | LanePhase::Removing => Said::Working,
        _ if status.hash != assignment.wanted.as_ref().map(|wanted| wanted.hash.clone()) => Said::Nothing,
        LanePhase::Waiting => Said::Waiting(status.needs),
        LanePhase::Ready => Said::Ready,
        LanePhase::Drifted => Said::Drifted,
        LanePhase::Failed | LanePhase::Refused => Said::Bad,
        LanePhase::Clean => Said::Clean,
    }
}
