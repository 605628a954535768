//! What Flyover takes while nothing changes: memory, processor, requests to the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context;
use flyover_testkit::cluster::{Asked, Node};

use super::interrupt;
use super::number::at_most;
use super::stage::Stage;
use crate::demo::say;

/// For how long it is looked at.
const QUIET: Duration = Duration::from_secs(60);
/// What came before has been told by then.
const SETTLE: Duration = Duration::from_secs(3);
/// MB that an agent may take, with all its lanes on.
const RESIDENT: f64 = 30.0;
/// Requests of an agent a minute.
const REQUESTS: f64 = 2.0;
/// The kernel tells everybody hundredths, whatever it counts in.
const TICKS: f64 = 100.0;
/// A line for each of our processes on a node: its pod, its name, KiB of its own and of files, ticks of processors. The kernel
/// cuts names off after 15 letters.
const LOOK: &str = r#"for process in /proc/[0-9]*; do
    name=$(cat $process/comm 2>/dev/null)
    case $name in flyover-agent | flyover-operato) ;; *) continue ;; esac
    pod=$(tr '\0' '\n' <$process/environ | sed -n 's/^POD_NAME=//p')
    memory=$(awk '/^RssAnon|^RssShmem/ { own += $2 } /^RssFile/ { files = $2 } END { print own, files }' $process/status)
    echo "${pod:--} $name $memory $(awk '{ print $14 + $15 }' $process/stat)"
done"#;

/// An event: of what, how often, why, and its words.
const EVENTS: &str = r#"--output=jsonpath={range .items[*]}{.regarding.kind} {.regarding.name} {.series.count}: {.reason}: {.note}{"\n"}{end}"#;

/// A pod of ours.
#[derive(Debug)]
struct Seen {
    node: String,
    pod: String,
    agent: bool,
    own: f64,
    files: f64,
    ticks: f64,
}

/// Looks for a minute.
pub(super) fn show(stage: &Stage) -> anyhow::Result<()> {
    say(format!(
        "== nothing changes for {} s, with all lanes on: NodeProfile, FastPath and Switch",
        QUIET.as_secs()
    ));
    interrupt::sleep(SETTLE)?;
    let (began, before, asked) = (Instant::now(), all(stage)?, stage.cluster().asked()?.len());
    let told_before = events(stage)?;
    interrupt::sleep(QUIET)?;
    let (took, after) = (began.elapsed().as_secs_f64(), all(stage)?);
    let asked = stage.cluster().asked()?.split_off(asked);
    say(
        "requests are counted by the API server's audit log, which names the pod whose token each came with;",
    );
    say("a node tells which generation it has seen once more half a minute after a change");
    for seen in &after {
        let ticks = before.iter().find(|was| was.pod == seen.pod).map_or(0.0, |was| was.ticks);
        let busy = (seen.ticks - ticks) / TICKS / took * 100.0;
        let mine: Vec<&Asked> = asked.iter().filter(|asked| asked.pod == seen.pod).collect();
        say(told(seen, busy, mine.len() as f64 * 60.0 / took, &of(&mine)));
    }
    for event in events(stage)?.difference(&told_before) {
        say(format!("an event came meanwhile: {event}"));
    }
    Ok(())
}

/// What nodes tell of what happened on them, a line each.
fn events(stage: &Stage) -> anyhow::Result<BTreeSet<String>> {
    let lines = stage.cluster().kubectl(&["get", "events.v1.events.k8s.io", "--all-namespaces", EVENTS])?;
    Ok(lines.lines().filter(|line| line.starts_with("NodeState ")).map(str::to_owned).collect())
}

fn told(seen: &Seen, busy: f64, asked: f64, of: &str) -> String {
    let resident = seen.own + seen.files;
    let (who, resident, asked) = if seen.agent {
        let asked = at_most(asked, REQUESTS, "requests a minute");
        ("agent", at_most(resident, RESIDENT, "MB"), asked)
    } else {
        ("operator", format!("{resident:.1} MB"), format!("{asked:.1} requests a minute"))
    };
    let (own, files) = (seen.own, seen.files);
    format!(
        "{who} on {}: {resident} resident, {own:.1} of its own and {files:.1} of files; {busy:.2} % of a core; {asked}{of}",
        seen.node
    )
}

/// What was asked, by kind.
fn of(asked: &[&Asked]) -> String {
    let mut kinds = BTreeMap::<String, usize>::new();
    for asked in asked {
        let path = asked.address.split('?').next().unwrap_or_default();
        *kinds.entry(format!("{} {path}", asked.verb)).or_default() += 1;
    }
    let mut text = String::new();
    for (kind, count) in kinds {
        let _never = write!(text, "\n    {count} x {kind}");
    }
    text
}

/// All of ours on all nodes; the processes of a pod together.
fn all(stage: &Stage) -> anyhow::Result<Vec<Seen>> {
    let mut all: Vec<Seen> = Vec::new();
    for node in stage.cluster().nodes() {
        for line in node.exec(&["sh", "-c", LOOK])?.lines() {
            let one = seen(&node, line).with_context(|| format!("`{line}` is no process of ours"))?;
            match all.iter_mut().find(|other| (&other.node, &other.pod) == (&one.node, &one.pod)) {
                Some(pod) => {
                    pod.own += one.own;
                    pod.files += one.files;
                    pod.ticks += one.ticks;
                }
                None => all.push(one),
            }
        }
    }
    Ok(all)
}

fn seen(node: &Node<'_>, line: &str) -> Option<Seen> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [pod, name, own, files, ticks] = words.as_slice() else { return None };
    let megabytes = |kib: &str| kib.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6);
    Some(Seen {
        node: node.name(),
        pod: (*pod).to_owned(),
        agent: *name == "flyover-agent",
        own: megabytes(own)?,
        files: megabytes(files)?,
        ticks: ticks.parse().ok()?,
    })
}
