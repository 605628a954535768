//! `flyover fastpath run --dry-run`: what it would do, and what that would gain.

use anyhow::Context;
use comfy_table::{Table, presets};
use flyover_fastpath::Forecast;
use flyover_latency::compare::{PathName, Report as Measured};
use serde::Serialize;

use super::{Run, fault, read, runtime};
use crate::cli::fault::{Exit, Fault};
use crate::cli::{Output, print};

/// The forecast, and what was measured elsewhere.
#[derive(Serialize)]
struct DryRun {
    #[serde(flatten)]
    forecast: Forecast,
    measured: Option<MeasuredGain>,
}

/// What a report of `bench compare` says.
#[derive(Serialize)]
struct MeasuredGain {
    /// The report's file.
    source: String,
    /// When it was measured, RFC 3339.
    date: String,
    /// On what kernel.
    kernel: String,
    /// One for each case that compares the back end with the overlay.
    cases: Vec<MeasuredCase>,
}

#[derive(Serialize)]
struct MeasuredCase {
    name: String,
    unit: String,
    overlay: f64,
    bypassed: f64,
}

pub(super) fn run(run: &Run) -> anyhow::Result<()> {
    let (instance, settings) = (run.which.instance()?, run.settings()?);
    let forecast = runtime()?.block_on(flyover_fastpath::forecast(&instance, settings)).map_err(fault)?;
    let measured = run.measured.as_deref().map(|path| read_report(path, &forecast)).transpose()?;
    let dry = DryRun { forecast, measured };
    match run.output.unwrap_or_default() {
        Output::Json => print::json(&dry),
        Output::Table => print::text(&table(&dry)),
    }
}

fn read_report(path: &std::path::Path, forecast: &Forecast) -> anyhow::Result<MeasuredGain> {
    let told = || {
        let fault = Fault::new(Exit::Usage, format!("failed to read the report `{}`", path.display()));
        fault.hint("`flyover bench compare -o json` writes one")
    };
    let bytes = std::fs::read(path).with_context(told)?;
    let report: Measured = serde_json::from_slice(&bytes).with_context(told)?;
    let way = if forecast.backend == "nft" { PathName::Notrack } else { PathName::Fastpath };
    let both = |case: &flyover_latency::compare::CaseReport| {
        let (overlay, bypassed) = (case.paths.get(&PathName::Overlay)?, case.paths.get(&way)?);
        let unit = serde_json::to_value(case.unit).ok()?.as_str()?.to_owned();
        Some(MeasuredCase { name: case.name.to_string(), unit, overlay: overlay.p50, bypassed: bypassed.p50 })
    };
    Ok(MeasuredGain {
        source: path.display().to_string(),
        cases: report.cases.iter().filter_map(both).collect(),
        date: report.date,
        kernel: report.kernel,
    })
}

fn table(dry: &DryRun) -> String {
    let forecast = &dry.forecast;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row(
        "instance",
        format!("{} (flyover {}), not started: this is a dry run", forecast.name, forecast.version),
    );
    row("back end", format!("{}, since {}", forecast.backend, forecast.backend_because));
    forecast.probes.iter().for_each(|p| row("probe", format!("{}: {}", p.what, p.found)));
    forecast.paused.iter().for_each(|why| row("paused", why.clone()));
    forecast.uplinks.iter().for_each(|d| row("uplink", read::with_reasons(d)));
    for t in &forecast.tunnels {
        row("tunnel", format!("{} ({} {}, port {})", t.name, t.kind, t.vni, t.port));
    }
    forecast.pods.iter().for_each(|d| row("pod", read::with_reasons(d)));
    forecast.judges.iter().for_each(|judge| row("judge", judge.clone()));
    for s in &forecast.settings {
        row("would set", format!("{} from {} to {} until {}", s.path, s.now, s.to, s.until));
    }
    for a in &forecast.attach {
        row("would attach", format!("{} to {} by {}", a.program, a.device, forecast.attached_by));
    }
    forecast.makes.iter().for_each(|what| row("would make", what.clone()));
    if forecast.backend == "ebpf" {
        let gain = &forecast.gain;
        row("would bypass", format!("established flows of {} of {} pods", gain.pods_bypassed, gain.pods));
    }
    forecast.gain.paths.iter().for_each(|path| row("would gain", path.clone()));
    forecast.gain.but.iter().for_each(|but| row("but", but.clone()));
    measured_lines(dry).into_iter().for_each(|line| row("measured", line));
    table.to_string()
}

fn measured_lines(dry: &DryRun) -> Vec<String> {
    let Some(measured) = &dry.measured else {
        return vec![
            "nothing here yet; `flyover bench compare` does, and --measured REPORT shows it in this place"
                .into(),
        ];
    };
    let from = format!("by {}, {}, Linux {}", measured.source, measured.date, measured.kernel);
    let case = |c: &MeasuredCase| {
        let (part, name) = (c.bypassed / c.overlay, &c.name);
        format!("{name}: {part:.2} x the overlay's {} ({:.0} against {:.0})", c.unit, c.bypassed, c.overlay)
    };
    std::iter::once(from).chain(measured.cases.iter().map(case)).collect()
}
