//! `flyover switch status`: whether packets can pass.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use flyover_switch::truth::{Condition, ConditionType, PortTruth, Status, Truth, evidence, judge};

use super::input::{At, told};
use super::probe;
use crate::cli::Output;
use crate::cli::fault::Exit;
use crate::cli::print::{self, Printed, show};

/// `flyover switch status`.
#[derive(Debug, Args)]
pub(crate) struct StatusOf {
    #[command(flatten)]
    which: At,
    /// Show it again and again, until interrupted: as a table each second, as JSON a line each second.
    #[arg(short, long)]
    watch: bool,
    /// Send frames through each bridge in user space, by two ports that are there for a moment; ends with 3 if some are
    /// lost.
    #[arg(long, conflicts_with = "watch")]
    probe: bool,
    #[command(flatten)]
    printed: Printed,
}

/// How often it is shown.
const EACH: Duration = Duration::from_secs(1);

impl StatusOf {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let switch = self.which.switch();
        let at = switch.at().map_err(told)?;
        if self.probe {
            return probe::run(&switch, &at, &self.printed);
        }
        loop {
            let truth = judge(evidence(switch.host(), &at)?);
            if !self.watch {
                show(&self.printed, &truth, || table(&truth))?;
                return Ok(if truth.healthy { ExitCode::SUCCESS } else { Exit::Differs.into() });
            }
            match self.printed.output {
                Output::Json => print::text(&serde_json::to_string(&truth)?)?,
                // From the top of a cleared screen.
                Output::Table => print::text(&format!("\x1b[H\x1b[2J{}", table(&truth)))?,
            }
            std::thread::sleep(EACH);
        }
    }
}

fn table(truth: &Truth) -> String {
    let mut text = head(truth);
    for bridge in &truth.bridges {
        let _infallible = writeln!(text, "\nbridge {}", bridge.name);
        wrong(&mut text, &bridge.conditions);
        if !bridge.ports.is_empty() {
            let _infallible = writeln!(text, "{}", ports(&bridge.ports));
        }
        for port in &bridge.ports {
            for condition in port.conditions.iter().filter(|condition| condition.is_fault()) {
                let _infallible = writeln!(text, "{}: {}", port.name, sentence(condition));
            }
        }
    }
    for pool in &truth.pools {
        let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let mib = number(pool.bytes.map(|bytes| bytes >> 20));
        let (in_use, size) = (number(pool.in_use), number(pool.size));
        let _infallible = writeln!(text, "pool {}: {in_use} of {size} packets in use, {mib} MiB", pool.name);
    }
    text.push_str(&verdict(truth));
    text
}

/// Whether packets can pass, and through which ports none will before somebody connects.
fn verdict(truth: &Truth) -> String {
    if !truth.healthy {
        return "Something is wrong.".to_owned();
    }
    let alone = |port: &&PortTruth| {
        let peer = port.conditions.iter().find(|condition| condition.kind == ConditionType::PeerConnected);
        peer.is_some_and(|peer| peer.status == Status::False)
    };
    let ports = truth.bridges.iter().flat_map(|bridge| &bridge.ports);
    let alone: Vec<&str> = ports.filter(alone).map(|port| port.name.as_str()).collect();
    match alone.as_slice() {
        [] => "Packets can pass.".to_owned(),
        names => format!("Packets can pass, but not yet by {}: no peer is connected.", names.join(", ")),
    }
}

fn head(truth: &Truth) -> String {
    let mut text = format!("switch {}", truth.switch);
    if let Some(daemon) = &truth.daemon {
        let dpdk = daemon.dpdk_version.as_ref().map_or_else(String::new, |dpdk| format!(", {dpdk}"));
        let _infallible = write!(text, ": Open vSwitch {}{dpdk}, process {}", daemon.version, daemon.pid);
    }
    text.push('\n');
    wrong(&mut text, &truth.conditions);
    for thread in &truth.threads {
        let busy = thread.busy.map_or_else(String::new, |busy| format!(", {busy} % busy"));
        let queues =
            if thread.queues == 1 { "1 queue".to_owned() } else { format!("{} queues", thread.queues) };
        let _infallible =
            writeln!(text, "thread on CPU {} (NUMA {}): {queues}{busy}", thread.core, thread.numa);
    }
    text
}

fn wrong(text: &mut String, conditions: &[Condition]) {
    for condition in conditions.iter().filter(|condition| condition.status != Status::True) {
        let _infallible = writeln!(text, "{}", sentence(condition));
    }
}

fn sentence(condition: &Condition) -> String {
    let verb = if condition.status == Status::Unknown { " unknown" } else { "=false" };
    let message =
        if condition.message.is_empty() { String::new() } else { format!(": {}", condition.message) };
    format!("{:?}{verb} ({}){message}", condition.kind, condition.reason)
}

fn ports(ports: &[PortTruth]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["port", "kind", "datapath", "pool", "peer", "polled by", "MTU", "rx", "tx", "dropped"]);
    for port in ports {
        let word = |kind: &str| {
            let found = port.conditions.iter().find(|condition| format!("{:?}", condition.kind) == kind);
            found.map_or("-", |condition| match condition.status {
                Status::True => "yes",
                Status::False => "NO",
                Status::Unknown => "?",
            })
        };
        let polled: Vec<String> = port.queues.iter().map(|queue| format!("CPU {}", queue.core)).collect();
        let polled = if polled.is_empty() { word("Polled").to_owned() } else { polled.join(" ") };
        let count = |keys: &[&str]| {
            let numbers: Vec<i64> =
                keys.iter().filter_map(|key| port.statistics.get(*key).copied()).collect();
            if numbers.is_empty() { "-".to_owned() } else { numbers.iter().sum::<i64>().to_string() }
        };
        table.add_row([
            port.bond.as_ref().map_or_else(|| port.name.clone(), |bond| format!("{bond}/{}", port.name)),
            port.kind.clone(),
            word("PortInDatapath").to_owned(),
            word("MempoolReady").to_owned(),
            word("PeerConnected").to_owned(),
            polled,
            port.mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string()),
            count(&["rx_packets"]),
            count(&["tx_packets"]),
            count(&["rx_dropped", "tx_dropped"]),
        ]);
    }
    table.to_string()
}
