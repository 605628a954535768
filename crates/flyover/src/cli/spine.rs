//! What people read of a plan, its outcome and its undo, whichever lane made it.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use flyover_core::{Action, Disturbance, Drift, Plan, Step};
use flyover_host::executor::{Outcome, Report};
use flyover_host::past::Past;
use flyover_host::receipt::Receipt;
use flyover_plan::{by_hand, state};

/// A plan: each step with what is, what will be, why, what it disturbs, its undo, and the command for people.
pub(in crate::cli) fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    for (number, step) in plan.steps.iter().enumerate() {
        text.push_str(&one(number + 1, step));
    }
    for note in &plan.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    let _infallible = write!(text, "{}", count(plan));
    text
}

fn one(number: usize, step: &Step) -> String {
    let was = step.found.as_ref().map(|found| format!("{} -> ", state(found))).unwrap_or_default();
    let mut text = format!("{number:>2}. {}  {was}{}\n", step.action.subject(), state(&step.action));
    let mut row = |name: &str, value: &str| {
        let _infallible = writeln!(text, "      {name:<9}{value}");
    };
    row("why", &step.why);
    row("disturbs", disturbance(step.disturbs));
    if step.after_reboot {
        row("when", "after the reboot");
    }
    for (i, line) in step.by_hand.iter().enumerate() {
        row(if i == 0 { "by hand" } else { "" }, line);
    }
    for (i, line) in undo(step).iter().enumerate() {
        row(if i == 0 { "undo" } else { "" }, line);
    }
    text
}

fn undo(step: &Step) -> Vec<String> {
    match (&step.found, &step.action) {
        (Some(found), action) => by_hand(found, Some(action)),
        (None, Action::Reboot(_)) => vec!["none".into()],
        // It could not be asked yet: what it belongs to does not run.
        (None, _) => vec!["what is found when its turn comes".into()],
    }
}

fn disturbance(disturbs: Disturbance) -> &'static str {
    match disturbs {
        Disturbance::None => "nothing",
        Disturbance::Service => "a service stops or starts",
        Disturbance::Link => "a network link goes",
        Disturbance::Workloads => "workloads may notice",
        Disturbance::Reboot => "REBOOT",
    }
}

fn count(plan: &Plan) -> String {
    let (reboots, changes) =
        if plan.reboot().is_some() { (1, plan.steps.len() - 1) } else { (0, plan.steps.len()) };
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    if plan.steps.is_empty() {
        return format!("Nothing to do: {} as asked for.", plural(plan.fulfilled, "thing"));
    }
    format!("{}, {}. Undo is recorded.", plural(changes, "change"), plural(reboots, "reboot"))
}

/// What is not as it was asked for.
pub(in crate::cli) fn drift(drift: &[Drift]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["what", "wanted", "found"]);
    for drift in drift {
        table.add_row([&drift.subject, &drift.wanted, &drift.found]);
    }
    table.to_string()
}

/// How a plan was carried out.
pub(in crate::cli) fn applied(outcome: &Outcome, plan: &Plan, differs: &[Drift]) -> String {
    let mut text = String::new();
    if !matches!(outcome, Outcome::AlreadySo) {
        for step in &plan.steps {
            let was = step.found.as_ref().map(|found| format!("{} -> ", state(found))).unwrap_or_default();
            let _infallible = writeln!(text, "{}  {was}{}", step.action.subject(), state(&step.action));
        }
    }
    for note in &plan.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    if !differs.is_empty() {
        let _infallible = writeln!(text, "{}", drift(differs));
    }
    text + &match outcome {
        Outcome::AlreadySo => format!("Nothing to do: all {} are as asked for.", plan.fulfilled),
        Outcome::Done { generation } => format!("Done: generation {generation}. Undo is recorded."),
        Outcome::NeedsReboot { generation, why } => {
            format!("Generation {generation} waits for a reboot: {why}. Undo is recorded.")
        }
        Outcome::Rebooting { generation, why } => {
            format!("Generation {generation}: rebooting, once: {why}. It goes on by itself.")
        }
    }
}

/// What a rollback did.
pub(in crate::cli) fn rolled_back(report: &Report, thing: &str) -> String {
    let mut text = String::new();
    let mut row = |what: &str, subject: &dyn std::fmt::Display, more: String| {
        let _infallible = writeln!(text, "{what:<9}{subject}{more}");
    };
    report.undone.iter().for_each(|subject| row("restored", subject, String::new()));
    report.mixed.iter().for_each(|subject| row("ours out", subject, "; others had changed it too".into()));
    for kept in &report.kept {
        row("kept", &kept.subject, format!(": somebody changed it since, to {}", state(&kept.now)));
    }
    report.failed.iter().for_each(|failed| row("FAILED", &failed.subject, format!(": {}", failed.why)));
    report.remains.iter().for_each(|path| row("remains", path, String::new()));
    let _infallible = match report.to {
        0 if report.kept.is_empty() && report.failed.is_empty() => {
            write!(text, "The {thing} is as it was found.")
        }
        to => write!(text, "Generation {to} stands."),
    };
    if report.needs_reboot {
        text.push_str(" The running kernel keeps its arguments until it is rebooted.");
    }
    text
}

/// What is ours, and what was there before.
pub(in crate::cli) fn receipt(receipt: &Receipt, thing: &str) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["what", "is", "was", "generation", "since"]);
    let lists = [&receipt.files, &receipt.units, &receipt.drivers, &receipt.kernel_args, &receipt.others];
    let all: Vec<_> = lists.into_iter().flatten().collect();
    if all.is_empty() {
        return format!("Nothing on this {thing} is Flyover's.");
    }
    for mine in all {
        table.add_row([
            mine.subject.to_string(),
            state(&mine.wished),
            state(&mine.found),
            mine.generation.to_string(),
            mine.since.clone(),
        ]);
    }
    table.to_string()
}

/// The generations: what was applied, when, and how it ended.
pub(in crate::cli) fn history(history: &[Past]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["generation", "started", "plan", "steps", "state"]);
    for past in history {
        table.add_row([
            past.number.to_string(),
            past.started.clone(),
            past.hash.to_string(),
            past.steps.to_string(),
            past.state.clone(),
        ]);
    }
    table.to_string()
}
