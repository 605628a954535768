//! `flyover bench compare`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use flyover_latency::compare::{self, Case, Length, PathName, Paths, Plan, Report};
use flyover_latency::host;

use super::super::fault::{Exit, Fault};
use super::{header, html, paths, progress, table};

/// Shuffled, interleaved rounds over the paths of a lab, with both ends on one CPU.
///
/// flyover bench compare --lab lab --quick --report target/demo
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Compare {
    /// Name of the lab.
    #[arg(long, default_value = "lab")]
    lab: String,
    /// Fewer cases and rounds: about a minute.
    #[arg(long)]
    quick: bool,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Also write report.json and report.html into this directory.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Cases instead of the usual ones, e.g. `tcp-64,udp-1k-v6,bulk-tcp-2cpu`.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<Case>,
    /// Rounds instead of the usual number.
    #[arg(long)]
    rounds: Option<usize>,
    /// CPU of both ends; and the server's where they have one each.
    #[arg(long, num_args = 2, value_names = ["CPU", "CPU"])]
    cpus: Option<Vec<usize>>,
    /// Where the shuffling starts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: docs/reference/report.md.
    Json,
    /// For a browser, one file.
    Html,
}

impl Compare {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let plan = self.plan()?;
        let mut paths = paths::of_lab(&self.lab)?;
        let report = measure(&plan, &mut *paths)?;
        if let Some(directory) = &self.report {
            write_files(&report, directory)?;
        }
        let text = match self.output {
            Format::Table => format!("{}\n{}", table::render(&report), table::in_words(&report)),
            Format::Json => serde_json::to_string_pretty(&report)?,
            Format::Html => html::render(&report)?,
        };
        Ok(writeln!(std::io::stdout().lock(), "{}", text.trim_end())?)
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let chosen = match self.cpus.as_deref() {
            Some([first, second]) => [*first, *second],
            // Not CPU 0, where a system does its chores, if there is another.
            _ => [1.min(cpus - 1), 0],
        };
        let mut cases = self.cases.clone();
        if cases.is_empty() {
            cases = if self.quick { Case::quick() } else { Case::full() };
        }
        if self.cpus.is_none() && cpus < 2 {
            cases.retain(|case| !case.two_cpus);
        }
        let rounds = self.rounds.unwrap_or(if self.quick { 3 } else { 10 });
        if rounds == 0 || cases.is_empty() {
            return Err(Fault::new(Exit::Usage, "there is nothing to compare").into());
        }
        let duration = Duration::from_millis(if self.quick { 200 } else { 400 });
        Ok(Plan {
            cases,
            paths: PathName::ALL.to_vec(),
            rounds,
            length: Length { warmup: Duration::from_millis(100), duration },
            patience: Duration::from_millis(300),
            cpus: chosen,
            seed: self.seed,
        })
    }
}

/// Measures, with a progress line on a terminal.
pub(crate) fn measure(plan: &Plan, paths: &mut dyn Paths) -> anyhow::Result<Report> {
    let line = progress::Line::new();
    let date = header::now();
    let cases = compare::compare(plan, paths, &mut |progress| line.update(&progress))?;
    let versions = BTreeMap::from([("flyover".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    Ok(Report {
        cases,
        kernel: host::kernel(),
        cpu: host::cpu(),
        versions,
        command_line: header::command_line(),
        date,
        rounds: plan.rounds,
        cpus: plan.cpus,
    })
}

fn write_files(report: &Report, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("failed to create {}", directory.display()))?;
    let files =
        [("report.json", serde_json::to_string_pretty(report)?), ("report.html", html::render(report)?)];
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    /// The names of the cases that these words measure.
    fn cases(words: &[&str]) -> Vec<String> {
        let command = Compare::augment_args(clap::Command::new("compare"));
        let words = [&["compare", "--cpus", "0", "1"], words].concat();
        let compare = Compare::from_arg_matches(&command.get_matches_from(words)).unwrap();
        compare.plan().unwrap().cases.iter().map(Case::to_string).collect()
    }

    #[test]
    fn three_sizes_of_tcp_and_udp_are_measured_unless_others_are_asked_for() {
        let usual = cases(&[]);
        assert_eq!(usual[..6], ["tcp-64", "udp-64", "tcp-1k", "udp-1k", "tcp-8k", "udp-8k"]);
        assert_eq!(cases(&["--cases", "crr,udp-8k"]), ["crr", "udp-8k"]);
        assert!(
            cases(&["--quick"]).iter().all(|case| usual.contains(case)),
            "the quick ones are some of them"
        );
    }
}
