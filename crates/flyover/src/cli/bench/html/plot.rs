//! Distributions as SVG.
//!
//! The plotting crate knows only fixed colours. Each colour here stands for a CSS variable and is replaced by it
//! afterwards, so that a drawing follows the page into the dark.

use flyover_latency::compare::{CaseReport, PathName};
use plotters::prelude::*;

const SIZE: (u32, u32) = (480, 280);
const INK: RGBColor = RGBColor(1, 0, 1);
const GRID: RGBColor = RGBColor(2, 0, 2);
const TEXT: i32 = 21;

/// The colour that stands for a path.
fn colour(path: PathName) -> RGBColor {
    match path {
        PathName::Overlay => RGBColor(3, 0, 1),
        PathName::Notrack => RGBColor(3, 0, 2),
        PathName::Fastpath => RGBColor(3, 0, 3),
        PathName::Wire => RGBColor(3, 0, 4),
        PathName::Bare => RGBColor(3, 0, 5),
    }
}

/// The share of samples up to each time, for each path of a case.
pub(super) fn cdf(case: &CaseReport) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw(case, &mut svg).map_err(|e| anyhow::anyhow!("failed to plot {}: {e}", case.name))?;
    Ok(themed(&svg))
}

fn draw(case: &CaseReport, svg: &mut String) -> Result<(), String> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (from, to) = range(case);
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(30)
        .x_label_area_size(32)
        .y_label_area_size(62)
        .build_cartesian_2d(from..to, 0.0..1.0_f64)
        .map_err(|e| e.to_string())?;
    let label = ("sans-serif", TEXT).into_font().color(&INK);
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(5)
        .x_label_formatter(&|x| format!("{x:.0} µs"))
        .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
        .label_style(label)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(|e| e.to_string())?;
    for (path, points) in &case.cdf {
        let line = points.iter().map(|[ns, share]| (ns / 1e3, *share)).filter(|(us, _)| *us <= to);
        let width = if *path == PathName::Fastpath { 4 } else { 2 };
        chart
            .draw_series(LineSeries::new(line, colour(*path).stroke_width(width)))
            .map_err(|e| e.to_string())?;
    }
    area.present().map_err(|e| e.to_string())?;
    Ok(())
}

/// In microseconds: from the least of all to the greatest p99, for what lies beyond would flatten everything else.
fn range(case: &CaseReport) -> (f64, f64) {
    let least = case.cdf.values().filter_map(|points| points.first()).map(|[ns, _]| *ns);
    let from = least.fold(f64::INFINITY, f64::min) / 1e3;
    let to = case.paths.values().map(|path| path.p99).fold(0.0, f64::max) / 1e3;
    ((from * 0.95).floor().max(0.0), (to * 1.05).ceil().max(from + 1.0))
}

/// Colours become variables, the size becomes a shape that fits any width.
fn themed(svg: &str) -> String {
    let mut svg = svg.replacen(&format!("width=\"{}\" height=\"{}\" ", SIZE.0, SIZE.1), "", 1);
    for (colour, variable) in PathName::ALL.map(|path| (colour(path), path.to_string())) {
        svg = svg.replace(&hex(colour), &format!("var(--{variable})"));
    }
    svg.replace(&hex(INK), "var(--ink)").replace(&hex(GRID), "var(--grid)")
}

fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}
