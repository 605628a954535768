//! A comparison as one self-contained page: readable on a phone and on paper, in light and in dark.
//!
//! Invariant: whatever comes from outside, such as the command line, is escaped.

mod plot;

use std::fmt::Write;

use anyhow::Context;
use flyover_latency::compare::{CaseReport, PathName, Report};

use super::table::{measure, sentence, title, unit, value};

const STYLE: &str = include_str!("report.css");

/// The page.
pub(crate) fn render(report: &Report) -> anyhow::Result<String> {
    let mut page = String::new();
    write_page(&mut page, report).context("failed to draw the report")?;
    Ok(page)
}

fn write_page(page: &mut String, report: &Report) -> anyhow::Result<()> {
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Flyover: paths compared</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>Paths compared</h1>\n"
    )?;
    lead(page, report)?;
    write!(page, "</header>\n<main>\n")?;
    for case in &report.cases {
        card(page, case)?;
    }
    writeln!(page, "</main>")?;
    footer(page, report)?;
    Ok(write!(page, "</body>\n</html>\n")?)
}

/// The first case that shows a gain says it; a legend follows.
fn lead(page: &mut String, report: &Report) -> anyhow::Result<()> {
    if let Some(gain) = report.cases.iter().find_map(sentence) {
        writeln!(page, "<p class=\"lead\">{}</p>", escape(&gain))?;
    }
    write!(page, "<ul class=\"legend\">")?;
    for path in PathName::ALL {
        if report.cases.iter().any(|case| case.paths.contains_key(&path)) {
            write!(page, "<li class=\"{path}\"><b>{path}</b> {}</li>", meaning(path))?;
        }
    }
    Ok(writeln!(page, "</ul>")?)
}

fn meaning(path: PathName) -> &'static str {
    match path {
        PathName::Overlay => "pod to pod, as it is without Flyover",
        PathName::Notrack => "the same, tunnel not tracked",
        PathName::Fastpath => "pod to pod, with Flyover",
        PathName::Wire => "node to node, with the node's rules",
        PathName::Bare => "node to node, without rules",
    }
}

fn card(page: &mut String, case: &CaseReport) -> anyhow::Result<()> {
    writeln!(page, "<section>\n<h2>{} <code>{}</code></h2>", title(case), case.name)?;
    writeln!(
        page,
        "<p class=\"hint\">{} in {}, {} is better</p>",
        measure(case),
        unit(case.unit),
        if case.unit.is_rate() { "more" } else { "less" }
    )?;
    bars(page, case)?;
    for (name, ratio) in [("the wire", case.ratio_to_wire), ("the overlay", case.ratio_to_overlay)] {
        if let Some(r) = ratio {
            writeln!(
                page,
                "<p class=\"ratio\"><b>{:.3}</b> of {name} <span>95 %: {:.3} to {:.3}</span></p>",
                r.value, r.low, r.high
            )?;
        }
    }
    if !case.unit.is_rate() && case.cdf.values().any(|points| points.len() > 20) {
        writeln!(
            page,
            "<figure>{}<figcaption>Share of samples up to a time</figcaption></figure>",
            plot::cdf(case)?
        )?;
    }
    Ok(writeln!(page, "</section>")?)
}

/// A table whose middle column is a bar.
fn bars(page: &mut String, case: &CaseReport) -> anyhow::Result<()> {
    let most = case.paths.values().map(|path| path.p50).fold(f64::MIN_POSITIVE, f64::max);
    writeln!(page, "<table><thead><tr><th></th><th></th><th>p50</th><th>p99</th></tr></thead><tbody>")?;
    for (path, numbers) in &case.paths {
        writeln!(
            page,
            "<tr class=\"{path}\"><th>{path}</th><td><i style=\"width:{:.1}%\"></i></td>\
             <td>{}</td><td>{}</td></tr>",
            100.0 * numbers.p50 / most,
            value(case.unit, numbers.p50),
            value(case.unit, numbers.p99)
        )?;
    }
    Ok(writeln!(page, "</tbody></table>")?)
}

fn footer(page: &mut String, report: &Report) -> anyhow::Result<()> {
    let disturbed: usize = report.cases.iter().map(|case| case.disturbed).sum();
    let versions: Vec<_> =
        report.versions.iter().map(|(what, version)| format!("{what} {version}")).collect();
    let facts = [
        ("Measured", report.date.clone()),
        ("Kernel", report.kernel.clone()),
        ("CPU", report.cpu.clone()),
        ("Versions", versions.join(", ")),
        ("Rounds", format!("{}, shuffled and interleaved", report.rounds)),
        ("On a busy CPU", format!("{disturbed} samples")),
        ("Command", report.command_line.clone()),
    ];
    writeln!(page, "<footer>\n<dl>")?;
    for (name, fact) in facts {
        writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&fact))?;
    }
    write!(
        page,
        "</dl>\n<p>p50 is the median over the rounds of each round's median; p99 of a time likewise; p99 of a rate \
         is what 99 % of the rounds reach. Ratios are of medians, with a bootstrap interval over paired rounds. \
         Both ends share one CPU unless a case says two: so a time is what the path itself costs.</p>\n</footer>\n"
    )?;
    Ok(())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
pub(super) mod tests;
