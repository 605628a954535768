//! What people read: what is wrong, then resources, then nodes, on one screen.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use flyover_api::resource::{Lane, Truth};

use super::view::{OfNode, View};

/// How many rows of a kind are shown unless all are asked for.
const ROWS: usize = 12;

/// The screen.
pub(super) fn table(view: &View, wide: bool) -> String {
    let mut text = format!("operator {}, agents {}\n", view.operator, view.agents);
    let most = if wide { usize::MAX } else { ROWS };
    if !view.wrong.is_empty() {
        let _infallible = writeln!(text, "\nwrong:");
    }
    for wrong in view.wrong.iter().take(most) {
        let _infallible = writeln!(text, "  {}: {}: {}", wrong.of, wrong.reason, wrong.message);
        let _infallible = writeln!(text, "    next: {}", wrong.next);
    }
    more(&mut text, view.wrong.len(), most);
    if !view.resources.is_empty() {
        let _infallible = writeln!(text, "\n{}", resources(view, most));
        more(&mut text, view.resources.len(), most);
    }
    if !view.nodes.is_empty() {
        let _infallible = writeln!(text, "\n{}", nodes(&view.nodes, most, wide));
        more(&mut text, view.nodes.len(), most);
    }
    let _infallible = write!(text, "\n{}", last(view));
    text
}

fn more(text: &mut String, all: usize, shown: usize) {
    if all > shown {
        let _infallible = writeln!(text, "  and {} more (-o wide shows all)", all - shown);
    }
}

fn last(view: &View) -> &'static str {
    match (view.healthy, view.resources.is_empty()) {
        (false, _) => "Something is wrong: the first line says what to look at.",
        (true, true) => "Nothing is asked for yet. Next: apply a FastPath, NodeProfile or Switch.",
        (true, false) if view.resources.iter().all(|resource| resource.ready == Truth::True) => {
            "All is as it was asked for."
        }
        (true, false) => "Nothing is wrong, and not all is done yet.",
    }
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn resources(view: &View, most: usize) -> String {
    let mut table = plain(["resource", "ready", "nodes", "reason", "first failing"]);
    for resource in view.resources.iter().take(most) {
        table.add_row([
            resource.name.clone(),
            format!("{:?}", resource.ready),
            resource.nodes.clone(),
            resource.reason.clone(),
            resource.first_failing.clone().unwrap_or_else(|| "-".into()),
        ]);
    }
    table.to_string()
}

fn nodes(nodes: &[OfNode], most: usize, wide: bool) -> String {
    let [profile, fast_path, switch] = Lane::ALL.map(Lane::kind);
    let short = ["node", profile, fast_path, switch];
    let mut table = if wide {
        plain([short[0], short[1], short[2], short[3], "kernel", "version", "reported"])
    } else {
        plain(short)
    };
    for node in nodes.iter().take(most) {
        let mut row = vec![format!("{}{}", node.name, if node.cordoned { " (cordoned)" } else { "" })];
        row.extend(node.lanes.iter().cloned());
        if wide {
            row.extend([node.kernel.clone(), node.version.clone(), node.reported.clone()]);
        }
        table.add_row(row);
    }
    table.to_string()
}
