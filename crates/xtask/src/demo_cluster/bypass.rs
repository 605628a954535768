//! Two pods on two nodes, without a FastPath and with one: how long a message takes, and which way a download goes.
//!
//! Machines drift, so the two are measured in turn, and those of one round are held against each other. Without a FastPath
//! nothing is attached anywhere: it is deleted, and its nodes say that they are clean before it is gone.

use std::time::Instant;

use anyhow::{Context, ensure};
use flyover_latency::stats::median;
use serde_json::Value;

use super::interrupt;
use super::number::seconds;
use super::stage::Stage;
use crate::demo::say;

const ROUNDS: usize = 5;
pub(super) const FASTPATH: &str =
    "apiVersion: flyover.dev/v1alpha1\nkind: FastPath\nmetadata: {name: all}\nspec: {}\n";
/// Where the program is in the agent's image.
const PROGRAM: &str = "/opt/flyover/bin/flyover";
const PROTOCOLS: [&str; 2] = ["tcp", "udp"];
/// Both ends are on processor 1, unless said, so that no message waits for another processor to wake.
const HOW: [&str; 8] =
    ["--sizes=64", "--minms=500", "--maxms=1000", "--timeout=5", "-o", "json", "--warmupms=500", "--"];
const BULK: u64 = 64 << 20;

/// Half round trips in microseconds, medians of a round each, by protocol.
#[derive(Default)]
struct Measured([Vec<f64>; 2]);

/// Measures both, and says how they compare. The FastPath stays.
pub(super) fn show(stage: &Stage) -> anyhow::Result<()> {
    for (name, node) in [("left", "node1"), ("right", "node2")] {
        stage.pod(name, node)?;
    }
    stage.cluster().wait(&["--for=condition=Ready", "pod", "--all"])?;
    let to = stage.cluster().field("pod/right", ".status.podIP")?;
    say(format!(
        "== pod `left` on node1, pod `right` on node2: 64 bytes there and back, {ROUNDS} rounds without and with FastPath `all`"
    ));
    let (mut without, mut with) = (Measured::default(), Measured::default());
    let before = fetch(stage)?;
    for round in 0..ROUNDS {
        // Who is first in one round is last in the next, so that each change serves two rounds.
        for bypassed in [round % 2 != 0, round % 2 == 0] {
            turn(stage, bypassed)?;
            let measured = if bypassed { &mut with } else { &mut without };
            for (protocol, medians) in PROTOCOLS.iter().zip(&mut measured.0) {
                medians.push(ping_pong(stage, protocol, &to)?);
            }
        }
    }
    compare(&without, &with);
    turn(stage, true)?;
    let after = fetch(stage)?;
    say(format!(
        "64 MiB through the ClusterIP of service `right`, frames on the overlay device of node1: {before} without, {after} with"
    ));
    Ok(())
}

/// Has the FastPath, or not.
fn turn(stage: &Stage, on: bool) -> anyhow::Result<()> {
    interrupt::check()?;
    let is_on = !stage.kubectl(&["get", "fastpath", "--output=name"])?.is_empty();
    let began = Instant::now();
    match (is_on, on) {
        (false, true) => {
            stage.cluster().apply(FASTPATH)?;
            stage.cluster().wait(&["--for=condition=Ready", "fastpath/all"])?;
            say(format!("FastPath `all` applied, and ready on both nodes: {}", seconds(began.elapsed())));
        }
        (true, false) => {
            stage.kubectl(&["delete", "fastpath/all", "--wait", "--timeout=55s"])?;
            say(format!("FastPath `all` deleted, and both nodes clean: {}", seconds(began.elapsed())));
        }
        _ => {}
    }
    Ok(())
}

fn ping_pong(stage: &Stage, protocol: &str, to: &str) -> anyhow::Result<f64> {
    let bench = ["exec", "left", "-c", "bench", "--", PROGRAM, "bench", "pingpong"];
    let told = stage.kubectl(&[&bench, HOW.as_slice(), &[protocol, to]].concat())?;
    let rows: Value = serde_json::from_str(&told).context("failed to make sense of the measurement")?;
    let nanos = rows.pointer("/0/median").and_then(Value::as_f64);
    Ok(nanos.context("a measurement has a median")? / 1000.0)
}

fn compare(without: &Measured, with: &Measured) {
    for ((protocol, without), with) in PROTOCOLS.iter().zip(&without.0).zip(&with.0) {
        let ratios: Vec<f64> = with.iter().zip(without).map(|(with, without)| with / without).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        say(format!(
            "{protocol}, half a round trip, median: {:.2} µs without, {:.2} µs with; ratio {:.3} ({least:.3} to {most:.3})",
            median(without),
            median(with),
            median(&ratios)
        ));
    }
}

/// Fetches it from the other node; frames of the overlay meanwhile.
fn fetch(stage: &Stage) -> anyhow::Result<u64> {
    let service = stage.cluster().field("service/right", ".spec.clusterIP")?;
    let get = format!("wget -qO- http://{service}/zeros | wc -c");
    let before = stage.carried()?;
    let bytes = stage.kubectl(&["exec", "left", "-c", "web", "--", "sh", "-c", &get])?;
    let carried = stage.carried()? - before;
    ensure!(bytes.trim() == BULK.to_string(), "{} bytes came instead of {BULK}", bytes.trim());
    Ok(carried)
}
