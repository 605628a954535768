//! From a change of a resource to its effect on every node.
//!
//! Two effects are waited for on both nodes, each from the moment in which `kubectl apply` has returned: that the node's own process,
//! whose report is read where it lies, runs with the new value; and that the cluster knows, by `Ready` of the new spec's hash in
//! each `NodeState`. The second is told by a watch that is open all the time.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flyover_latency::stats::median;
use serde_json::Value;

use super::bypass::FASTPATH;
use super::interrupt;
use super::number::at_most;
use super::stage::Stage;
use crate::demo::say;

const CHANGES: u32 = 12;
const LIMIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(2);
/// What is to be so after half of the changes.
const TARGET: f64 = 1.0;
/// The process's report, on its node.
const REPORT: &str = "run/flyover/fastpath/default/status.json";
/// A line for each change of a `NodeState`: its name, of which generation of the FastPath it is, and the hashes asked for and had.
const STATES: &str = r#"--output=jsonpath={.metadata.name} {.spec.lanes.fastPath.wanted.generation} {.spec.lanes.fastPath.wanted.hash} {.status.lanes.fastPath.hash} {.status.lanes.fastPath.phase}{"\n"}"#;

/// What a watch says, in a file.
struct Watch {
    process: Child,
    file: PathBuf,
}

/// Changes the lease again and again.
pub(super) fn show(stage: &Stage) -> anyhow::Result<()> {
    say(format!("== leaseMs of FastPath `all`, changed {CHANGES} times"));
    let watch = Watch::begin(stage)?;
    let (mut runs, mut known) = (Vec::new(), Vec::new());
    for change in 1..=CHANGES {
        let (run, know) = effect(stage, &watch, 1000 + 10 * change)?;
        runs.push(run.as_secs_f64());
        known.push(know.as_secs_f64());
    }
    say(format!("from the apply's return until both nodes' processes run with it: {}", told(&runs)));
    say(format!("… until the NodeState of both says Ready with it: {}", told(&known)));
    // The default again.
    stage.cluster().apply(FASTPATH)?;
    stage.wait(&["--for=condition=Ready", "fastpath/all"])
}

fn told(times: &[f64]) -> String {
    let most = times.iter().copied().fold(0.0, f64::max);
    format!("p50 {}, max {most:.2} s", at_most(median(times), TARGET, "s"))
}

/// How long both effects take.
fn effect(stage: &Stage, watch: &Watch, lease: u32) -> anyhow::Result<(Duration, Duration)> {
    let spec = FASTPATH.replace("spec: {}", &format!("spec: {{leaseMs: {lease}}}"));
    let apply = ["apply", "--filename=-", "--output=jsonpath={.metadata.generation}"];
    let generation = stage.cluster().ask(&apply).stdin(spec).run()?;
    let began = Instant::now();
    let (mut runs, mut known) = (None, None);
    loop {
        interrupt::check()?;
        if runs.is_none() && run_with(stage, lease)? {
            runs = Some(began.elapsed());
        }
        if known.is_none() && watch.ready(stage, &generation)? {
            known = Some(began.elapsed());
        }
        if let (Some(runs), Some(known)) = (runs, known) {
            return Ok((runs, known));
        }
        ensure!(began.elapsed() < LIMIT, "leaseMs {lease} has not come to both nodes within {LIMIT:?}");
        thread::sleep(LOOK);
    }
}

/// Whether the processes of all nodes run with a lease.
fn run_with(stage: &Stage, lease: u32) -> anyhow::Result<bool> {
    for node in stage.cluster().nodes() {
        let init = node.init().with_context(|| format!("{} does not run", node.name()))?;
        let report = fs::read(format!("/proc/{init}/root/{REPORT}"));
        // While it is written anew it may be missing.
        let report = report.ok().and_then(|report| serde_json::from_slice::<Value>(&report).ok());
        if report.and_then(|report| report.get("lease_ms")?.as_u64()) != Some(lease.into()) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Watch {
    fn begin(stage: &Stage) -> anyhow::Result<Self> {
        let file = stage.logs().join("nodestates.log");
        let log = File::create(&file).with_context(|| format!("failed to write `{}`", file.display()))?;
        let process = stage.cluster().ask(&["get", "nodestates", "--watch", STATES]).daemon(log)?;
        Ok(Self { process, file })
    }

    /// Whether each node was last said to be ready with what a generation of the FastPath says.
    fn ready(&self, stage: &Stage, generation: &str) -> anyhow::Result<bool> {
        let told = fs::read_to_string(&self.file)?;
        Ok(stage.cluster().nodes().all(|node| {
            let last = told.lines().rev().find_map(|line| line.strip_prefix(&node.name()));
            let words: Vec<&str> = last.unwrap_or_default().split_whitespace().collect();
            matches!(words.as_slice(), [of, wanted, had, "Ready"] if *of == generation && wanted == had)
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It is dead already if this fails.
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}
