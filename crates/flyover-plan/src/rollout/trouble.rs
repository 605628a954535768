//! What is wrong with a resource, the worst first, and what to do about it.

use flyover_api::resource::OnFailure;

use super::conditions::{Scene, Words};
use super::goal::Goal;
use super::look::{Look, Said};
use super::{Place, agent};

impl Scene<'_> {
    pub(super) fn degraded(&self) -> Option<Words> {
        let halted = if self.view.resource.deleting { None } else { self.halted() };
        halted
            .or_else(|| self.contested())
            .or_else(|| self.failing())
            .or_else(|| self.blocked())
            .or_else(|| self.lost_touch())
            .or_else(|| self.missed())
    }

    fn halted(&self) -> Option<Words> {
        let halt = self.survey.status.halted.as_ref()?;
        let what = match self.view.resource.rollout.on_failure {
            OnFailure::Rollback => "it goes back to what it had",
            OnFailure::Stay => "it was left as it is",
        };
        let what = format!(
            "{}: {}; {what}. Mend the node or the spec, and change the spec to try again",
            halt.node, halt.message
        );
        Some(("Halted", what))
    }

    fn contested(&self) -> Option<Words> {
        let (node, others) = self.share.contested.iter().next()?;
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let wants = if others.len() == 1 { "wants" } else { "want" };
        let more = match self.share.contested.len() - 1 {
            0 => String::new(),
            more => format!(", and so it is on {more} more"),
        };
        let what = format!(
            "{} {wants} {node} with the same priority{more}; the node keeps what it has. Change spec.priority or \
             spec.nodeSelector of one",
            others.join(" and ")
        );
        Some(("Conflict", what))
    }

    fn failing(&self) -> Option<Words> {
        let failed = self.failed.first()?;
        let status = self.find(|look, _| look.name() == *failed).and_then(|look| look.node.status.as_ref());
        let why = status.map_or("", |status| status.message.as_str());
        let what = if self.view.resource.deleting {
            format!(
                "{failed} could not be taken back: {why}. Mend it, or name it in flyover.dev/abandon-nodes"
            )
        } else {
            format!("{failed}: {why}")
        };
        Some(("Failed", what))
    }

    fn blocked(&self) -> Option<Words> {
        let blocked = self.survey.status.blocked.first()?;
        let what = format!(
            "{} could not be emptied: {}. It is tried again; make the pod leave to have it sooner",
            blocked.node, blocked.by
        );
        Some(("Blocked", what))
    }

    /// A node that was to do something, and is down.
    fn lost_touch(&self) -> Option<Words> {
        let open = |look: &Look<'_>| look.ours && look.node.exists && !look.abandoned && !look.said.is_end();
        let dead = self.find(|look, goal| !look.node.ready && (open(look) || goal == Goal::TakeBack))?;
        let escape = if self.view.resource.deleting {
            "name it in flyover.dev/abandon-nodes if it will not come back"
        } else {
            "the change waits for it; delete the Node if it will not come back"
        };
        Some(("NodeNotReady", format!("{} is not ready, and has not finished: {escape}", dead.name())))
    }

    /// A node whose agent never was heard, or is heard no more.
    fn missed(&self) -> Option<Words> {
        let missed = |look: &Look<'_>| look.node.exists && look.node.place == Place::Own && look.is_missed();
        let first = self.find(|look, _| missed(look))?;
        let count = self.survey.nodes.iter().filter(|(look, _)| missed(look)).count();
        let more = if count == 1 { String::new() } else { format!(", nor on {} more", count - 1) };
        let name = first.name();
        if first.absent {
            let what = format!(
                "no agent was ever heard on {name}{more}, and the change does not wait for it: see why no pod of flyover-agent \
                 runs there, or leave it out by spec.nodeSelector"
            );
            return Some(("NoAgent", what));
        }
        let what = format!(
            "nothing was heard of the agent on {name}{more} for more than {} minutes, so nobody knows what is so there: look \
             after the pod of flyover-agent, and after the node",
            agent::SPEAKS_WITHIN / 60
        );
        Some(("AgentSilent", what))
    }

    pub(super) fn drifted(&self) -> Option<Words> {
        let drifted = |look: &Look<'_>| look.node.place == Place::Own && look.said == Said::Drifted;
        let first = self.find(|look, _| drifted(look))?;
        let count = self.survey.nodes.iter().filter(|(look, _)| drifted(look)).count();
        let what =
            first.node.status.as_ref().and_then(|status| status.drift.first().cloned()).unwrap_or_default();
        let more = if count == 1 { String::new() } else { format!("; {} more nodes drifted", count - 1) };
        Some(("Drifted", format!("{}: {what}{more}", first.name())))
    }
}
