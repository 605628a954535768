//! The reading verbs of `flyover fastpath`.

use anyhow::Context;
use clap::Args;
use comfy_table::{Table, presets};
use flyover_core::Flow;
use flyover_fastpath::{Books, Report, ReportedDevice, view};
use serde::Serialize;

use super::Which;
use crate::cli::fault::{Exit, Fault};
use crate::cli::{Output, print};

/// `flyover fastpath status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    which: Which,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// `flyover fastpath flows`.
#[derive(Debug, Args)]
pub(crate) struct Flows {
    #[command(flatten)]
    which: Which,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// `flyover fastpath why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    #[command(flatten)]
    which: Which,
    /// A pod's device on the node, or a flow such as tcp:10.244.1.2:4000-10.244.2.2:80.
    subject: String,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Default, Serialize)]
struct StatusView {
    running: bool,
    bypassing: bool,
    flows_open: usize,
    packets_saved: u64,
    bytes_saved: u64,
    slow_packets: std::collections::BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    report: Report,
}

/// The report, and the books where the back end keeps any.
fn open(which: &Which) -> anyhow::Result<(Report, Option<Books>, bool)> {
    let instance = which.instance()?;
    if !instance.exists() {
        let fault = Fault::new(Exit::Failed, format!("there is no FastPath instance `{}`", instance.name()));
        return Err(fault
            .hint("start one with `flyover fastpath run --uplink IF`, or name one with --name")
            .into());
    }
    let running = instance.holder().is_some();
    let report = Report::read(&instance)?;
    let books = if report.backend == "ebpf" { Some(Books::open(&instance)?) } else { None };
    Ok((report, books, running))
}

/// The same, for a verb that needs the books.
fn open_books(which: &Which) -> anyhow::Result<(Report, Books, bool)> {
    let (report, books, running) = open(which)?;
    let books = books.ok_or_else(|| {
        let fault =
            Fault::new(Exit::Impossible, format!("the {} back end keeps no books of flows", report.backend));
        fault.hint("`flyover fastpath status` says what it does")
    })?;
    Ok((report, books, running))
}

impl Status {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (report, books, running) = open(&self.which)?;
        let status = match books {
            Some(books) => StatusView::of(report, &books, running)?,
            None => StatusView { running, bypassing: true, report, ..StatusView::default() },
        };
        match self.output {
            Output::Json => print::json(&status),
            Output::Table => print::text(&table_of_status(&status)),
        }
    }
}

impl StatusView {
    fn of(report: Report, books: &Books, running: bool) -> anyhow::Result<Self> {
        let flows = view::flows(&report, books)?;
        let retired = books.retired()?;
        Ok(Self {
            running,
            bypassing: report.paused.is_empty() && books.alive_until()? > report.jiffies(),
            flows_open: flows.iter().filter(|f| f.state != "waiting").count(),
            packets_saved: flows.iter().map(|f| f.packets).chain(retired.iter().map(|r| r.1.packets)).sum(),
            bytes_saved: flows.iter().map(|f| f.bytes).chain(retired.iter().map(|r| r.1.bytes)).sum(),
            slow_packets: books.reasons()?.into_iter().map(|(reason, n)| (reason.name, n)).collect(),
            report,
        })
    }
}

fn table_of_status(status: &StatusView) -> String {
    let report = &status.report;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    let agent = if status.running { format!("process {}", report.pid) } else { "not running".into() };
    row(
        "instance",
        format!("{} (flyover {}, {}, {})", report.name, report.version, report.backend, report.attached_by),
    );
    row("agent", agent);
    row("bypass", if status.bypassing { "on" } else { "off" }.into());
    report.paused.iter().for_each(|why| row("paused", why.clone()));
    report.uplinks.iter().for_each(|d| row("uplink", with_reasons(d)));
    for t in &report.tunnels {
        row("tunnel", format!("{} ({} {}, port {})", t.name, t.kind, t.vni, t.port));
    }
    report.pods.iter().for_each(|d| row("pod", with_reasons(d)));
    let liberal = match (&report.conntrack.be_liberal_was, report.conntrack.be_liberal) {
        (Some(was), _) => format!("nf_conntrack_tcp_be_liberal set to 1 (was {was}; `off` restores it)"),
        (None, true) => "nf_conntrack_tcp_be_liberal is 1 already".into(),
        (None, false) => "nf_conntrack_tcp_be_liberal is 0".into(),
    };
    row("conntrack", if report.conntrack.in_use { liberal } else { "not in use".into() });
    let expedited = &report.expedited;
    if expedited.times > 0 {
        row(
            "attaching",
            format!(
                "rcu_expedited was 1 for {} ms in all while many programs were attached",
                expedited.total_ms
            ),
        );
    }
    report.judges.iter().for_each(|judge| row("judge", judge.clone()));
    row("flows", status.flows_open.to_string());
    row("saved", format!("{} packets, {} bytes", status.packets_saved, status.bytes_saved));
    for (reason, n) in &status.slow_packets {
        row("slow", format!("{n} {reason}"));
    }
    table.to_string()
}

pub(super) fn with_reasons(device: &ReportedDevice) -> String {
    if device.out_because.is_empty() {
        return device.name.clone();
    }
    let forgoes = device.forgoes.as_ref().map_or_else(String::new, |gain| format!("\nelse {gain}"));
    format!("{}: left alone: {}{forgoes}", device.name, device.out_because.join("; "))
}

impl Flows {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (report, books, _) = open_books(&self.which)?;
        let flows = view::flows(&report, &books)?;
        match self.output {
            Output::Json => print::json(&flows),
            Output::Table => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING);
                table.set_header([
                    "flow",
                    "translated",
                    "from",
                    "to",
                    "by",
                    "state",
                    "age",
                    "lease",
                    "packets",
                    "bytes",
                ]);
                for f in flows {
                    let age = humantime::format_duration(std::time::Duration::from_secs(f.age_ms / 1000))
                        .to_string();
                    table.add_row([
                        f.flow.to_string(),
                        f.translated.map_or_else(|| "-".into(), |t| t.to_string()),
                        f.from,
                        f.to,
                        f.action.into(),
                        f.state.into(),
                        age,
                        format!("{} ms", f.lease_left_ms),
                        f.packets.to_string(),
                        f.bytes.to_string(),
                    ]);
                }
                print::text(&table.to_string())
            }
        }
    }
}

impl Why {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (report, books, running) = open_books(&self.which)?;
        let mut why = if let Some(why) = view::why_pod(&report, &self.subject) {
            why
        } else {
            let flow: Flow = self.subject.parse().with_context(|| {
                let devices: Vec<_> = report.pods.iter().map(|p| p.name.as_str()).collect();
                let fault = Fault::new(
                    Exit::Usage,
                    format!("`{}` is neither a pod's device nor a flow", self.subject),
                );
                fault.hint(format!("pods' devices here: {}", devices.join(", ")))
            })?;
            view::why_flow(&report, &books, flow)?
        };
        if books.alive_until()? <= report.jiffies() {
            why.accelerated = false;
            let agent = if running { "its heart does not beat" } else { "it does not run" };
            why.because.insert(0, format!("the bypass is off: the agent must be there, and {agent}"));
        }
        match self.output {
            Output::Json => print::json(&why),
            Output::Table => {
                let verdict = if why.accelerated { "accelerated" } else { "not accelerated" };
                let forgoes = why.forgoes.iter().map(|gain| format!("else {gain}"));
                let lines: Vec<_> = why.because.iter().cloned().chain(forgoes).collect();
                print::text(&format!("{}: {verdict}\n  {}", why.subject, lines.join("\n  ")))
            }
        }
    }
}
