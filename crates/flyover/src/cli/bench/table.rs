//! A comparison as a table for people, and in words.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use flyover_latency::compare::{CaseReport, Ends, PathName, Probe, Report, Unit};
use flyover_latency::stats::Ratio;

/// A value as people read it, without its unit.
pub(crate) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => format!("{:.2}", value / 1e3),
        Unit::BitsPerSecond => format!("{:.2}", value / 1e9),
        Unit::PerSecond => format!("{value:.0}"),
    }
}

/// The unit of such a value.
pub(crate) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanoseconds => "µs",
        Unit::BitsPerSecond => "Gbit/s",
        Unit::PerSecond => "1/s",
    }
}

/// Columns: paths with p50 and p99, then what the fast path is to the wire and to the overlay.
pub(crate) fn render(report: &Report) -> String {
    let paths: Vec<PathName> = PathName::ALL
        .into_iter()
        .filter(|path| report.cases.iter().any(|case| case.paths.contains_key(path)))
        .collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut head = vec!["p50 / p99".to_owned(), String::new()];
    head.extend(paths.iter().map(ToString::to_string));
    head.extend(["x wire".to_owned(), "x overlay".to_owned()]);
    table.set_header(head);
    for case in &report.cases {
        let mut row = vec![Cell::new(case.name), Cell::new(unit(case.unit))];
        row.extend(paths.iter().map(|path| number(case, *path)));
        row.extend([case.ratio_to_wire, case.ratio_to_overlay].map(interval));
        table.add_row(row);
    }
    let disturbed: usize = report.cases.iter().map(|case| case.disturbed).sum();
    let noise = match disturbed {
        0 => String::new(),
        some => format!("; {some} samples began on a busy CPU"),
    };
    format!("{table}\nmedians of {} rounds; 95 % intervals{noise}\n", report.rounds)
}

fn number(case: &CaseReport, path: PathName) -> Cell {
    let text = case.paths.get(&path).map_or_else(
        || "-".to_owned(),
        |p| format!("{} / {}", value(case.unit, p.p50), value(case.unit, p.p99)),
    );
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn interval(ratio: Option<Ratio>) -> Cell {
    let text =
        ratio.map_or_else(|| "-".to_owned(), |r| format!("{:.3} [{:.3}, {:.3}]", r.value, r.low, r.high));
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// What was gained, a sentence for each case that has a fast path and an overlay.
pub(crate) fn in_words(report: &Report) -> String {
    report.cases.iter().filter_map(sentence).map(|line| line + "\n").collect()
}

/// What was gained in one case.
pub(crate) fn sentence(case: &CaseReport) -> Option<String> {
    let (fast, slow) = (case.paths.get(&PathName::Fastpath)?, case.paths.get(&PathName::Overlay)?);
    let with_unit = |v| format!("{} {}", value(case.unit, v), unit(case.unit));
    let gain = if case.unit.is_rate() { fast.p50 / slow.p50 } else { slow.p50 / fast.p50 };
    let mut text = format!(
        "{}: {} instead of {}, {gain:.2} times as good as the overlay",
        title(case),
        with_unit(fast.p50),
        with_unit(slow.p50)
    );
    if let Some(wire) = case.ratio_to_wire {
        let what = if case.unit.is_rate() { "rate" } else { "time" };
        text += &format!(", and {:.2} of the wire's {what}", wire.value);
    }
    Some(text + ".")
}

/// What the numbers of a case are.
pub(crate) fn measure(case: &CaseReport) -> &'static str {
    match case.name.probe {
        Probe::Tcp(_) | Probe::Udp(_) => "half a round trip",
        Probe::Bulk => "payload",
        Probe::Crr => "transactions",
        Probe::CpuPerPacket => "both ends and the stack between them",
    }
}

/// The name of a case in words.
pub(crate) fn title(case: &CaseReport) -> String {
    let what = match case.name.probe {
        Probe::Tcp(size) => format!("TCP, {}", bytes(size)),
        Probe::Udp(size) => format!("UDP, {}", bytes(size)),
        Probe::Bulk => "Bulk TCP".to_owned(),
        Probe::Crr => "Connect, request, response".to_owned(),
        Probe::CpuPerPacket => "CPU time of a packet".to_owned(),
    };
    let ends = match case.name.ends {
        Ends::Remote => "",
        Ends::ClusterIp => ", through a ClusterIP",
        Ends::V6 => ", over IPv6",
        Ends::SameNode => ", within a node",
    };
    format!("{what}{ends}{}", if case.name.two_cpus { ", on two CPUs" } else { "" })
}

fn bytes(size: u32) -> String {
    if size >= 1024 && size.is_multiple_of(1024) {
        format!("{} KB", size / 1024)
    } else {
        format!("{size} B")
    }
}

#[cfg(test)]
mod tests {
    use super::super::html::tests::report;
    use super::*;

    #[test]
    fn a_person_sees_this() {
        insta::assert_snapshot!(render(&report()));
    }

    #[test]
    fn the_gain_is_told_in_words() {
        insta::assert_snapshot!(in_words(&report()));
    }
}
