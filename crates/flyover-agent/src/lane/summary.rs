//! Plans, drift, journals and receipts as the short sentences a `NodeState` has of them.

use flyover_api::resource::PlanSummary;
use flyover_core::{Disturbance, Drift, Plan, Refusal, RefusalKind, Step};
use flyover_host::executor::Report;
use flyover_host::past::Past;
use flyover_plan::state;

use super::{Look, Removed, Sight};

/// A longer plan is told by its beginning.
const STEPS: usize = 20;
/// Of the journal, so many generations.
const GENERATIONS: usize = 5;

/// What was seen, of a plan and what is not so.
pub(crate) fn sight(plan: &Plan, drift: &[Drift]) -> Sight {
    Sight {
        plan: (!plan.steps.is_empty()).then(|| summary(plan)),
        needs: plan.steps.iter().map(|step| step.disturbs).max().unwrap_or(Disturbance::None),
        drift: self::drift(drift),
        notes: plan.notes.clone(),
    }
}

fn summary(plan: &Plan) -> PlanSummary {
    let sentence = |step: &Step| {
        let was = step.found.as_ref().map(|found| format!("{} -> ", state(found))).unwrap_or_default();
        format!("{}: {was}{} ({})", step.action.subject(), state(&step.action), step.why)
    };
    PlanSummary {
        hash: plan.hash.0.clone(),
        steps: plan.steps.iter().take(STEPS).map(sentence).collect(),
        count: u32::try_from(plan.steps.len()).unwrap_or(u32::MAX),
        reboot: plan.reboot().map(str::to_owned),
    }
}

/// What is not so, a sentence each.
pub(crate) fn drift(drift: &[Drift]) -> Vec<String> {
    drift.iter().map(|one| format!("{} is {}, not {}", one.subject, one.found, one.wanted)).collect()
}

/// Why a wish does not fit.
pub(crate) fn refused(refusals: &[Refusal]) -> Look {
    let told = |refusal: &Refusal| match &refusal.hint {
        Some(hint) => format!("{refusal} (hint: {hint})"),
        None => refusal.to_string(),
    };
    Look::Refused {
        why: refusals.iter().map(told).collect::<Vec<_>>().join("; "),
        impossible: refusals.iter().all(|refusal| refusal.kind == RefusalKind::Impossible),
    }
}

/// The last generations of a journal.
pub(crate) fn journal(past: &[Past]) -> Vec<String> {
    let line = |past: &Past| {
        let steps = if past.steps == 1 { "step" } else { "steps" };
        format!("generation {} of {}: {} {steps}, {}", past.number, past.started, past.steps, past.state)
    };
    past.iter().skip(past.len().saturating_sub(GENERATIONS)).map(line).collect()
}

/// How going back to the very beginning ended.
pub(crate) fn went_back(report: &Report) -> Removed {
    if !report.failed.is_empty() {
        let failed = report.failed.iter().map(|failed| format!("{}: {}", failed.subject, failed.why));
        let message = format!("not all could be put back: {}", failed.collect::<Vec<_>>().join("; "));
        return Removed::Left { reason: "NotPutBack", message };
    }
    let mut receipt: Vec<String> =
        report.undone.iter().map(|subject| format!("{subject}: as it was found")).collect();
    receipt.extend(
        report.mixed.iter().map(|subject| format!("{subject}: ours taken out, others had changed it too")),
    );
    receipt.extend(
        report.kept.iter().map(|kept| {
            format!("{}: kept, somebody changed it since, to {}", kept.subject, state(&kept.now))
        }),
    );
    if report.needs_reboot {
        receipt.push("the running kernel keeps its arguments until the next reboot".to_owned());
    }
    Removed::Clean(receipt)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.replace("\n  hint: ", " (hint) ")
}
