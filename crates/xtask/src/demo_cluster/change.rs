//! From a change of a resource to its effect on every node.
//!
//! Counted from the moment in which `kubectl apply` has returned, until a node's own process runs with the new value, by its report,
//! which is read where it lies; and until the cluster knows it of both nodes, by `Ready` of the new spec's hash in each
//! `NodeState`, as a watch tells it that is open all the time. One node has a change first, and the other once that one is well.

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
    let mut all: [Vec<f64>; 3] = Default::default();
    for change in 1..=CHANGES {
        let effects = effects(stage, &watch, 1000 + 10 * change)?;
        all.iter_mut().zip(effects).for_each(|(times, time)| times.push(time.as_secs_f64()));
    }
    let [first, both, known] = all.map(|times| told(&times));
    say(format!("from the apply's return until the first node's process runs with it: {first}"));
    say(format!("… until the processes of both do: {both}"));
    say(format!("… until the NodeState of both says Ready with it: {known}"));
    // The default again.
    stage.cluster().apply(FASTPATH)?;
    stage.cluster().wait(&["--for=condition=Ready", "fastpath/all"])
}

fn told(times: &[f64]) -> String {
    let most = times.iter().copied().fold(0.0, f64::max);
    format!("p50 {}; max {most:.2} s", at_most(median(times), TARGET, "s"))
}

/// How long it takes until the first node runs with it, until both do, and until both are known to.
fn effects(stage: &Stage, watch: &Watch, lease: u32) -> anyhow::Result<[Duration; 3]> {
    let spec = FASTPATH.replace("spec: {}", &format!("spec: {{leaseMs: {lease}}}"));
    let apply = ["apply", "--filename=-", "--output=jsonpath={.metadata.generation}"];
    let generation = stage.cluster().ask(&apply).stdin(spec).run()?;
    let began = Instant::now();
    let mut times = [None; 3];
    loop {
        interrupt::check()?;
        let running = run_with(stage, lease)?;
        let all = stage.cluster().nodes().count();
        for (time, holds) in
            times.iter_mut().zip([running > 0, running == all, watch.ready(stage, &generation)?])
        {
            *time = time.or_else(|| holds.then(|| began.elapsed()));
        }
        if let [Some(first), Some(both), Some(known)] = times {
            return Ok([first, both, known]);
        }
        ensure!(began.elapsed() < LIMIT, "leaseMs {lease} has not come to both nodes within {LIMIT:?}");
        thread::sleep(LOOK);
    }
}

/// On how many nodes the process runs with a lease.
fn run_with(stage: &Stage, lease: u32) -> anyhow::Result<usize> {
    let mut running = 0;
    for node in stage.cluster().nodes() {
        let init = node.init().with_context(|| format!("{} does not run", node.name()))?;
        let report = fs::read(format!("/proc/{init}/root/{REPORT}"));
        // While it is written anew it may be missing.
        let report = report.ok().and_then(|report| serde_json::from_slice::<Value>(&report).ok());
        let has = report.and_then(|report| report.get("lease_ms")?.as_u64());
        running += usize::from(has == Some(lease.into()));
    }
    Ok(running)
}

impl Watch {
    fn begin(stage: &Stage) -> anyhow::Result<Self> {
        let file = stage.logs().join("control/log/nodestates.log");
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
