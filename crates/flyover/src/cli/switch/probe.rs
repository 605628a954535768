//! `flyover switch status --probe`: whether frames pass, by sending some.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use flyover_core::SwitchAt;
use flyover_host::ovs;
use flyover_ovs::Client;
use flyover_ovs::tables::Bridge;
use flyover_switch::Switch;
use flyover_vhost::probe::{ProbeError, Report, probe};
use serde::Serialize;

use crate::cli::fault::{Exit, root_only};
use crate::cli::print::{Printed, show};

/// How long a bridge may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What passed through a bridge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Passed {
    bridge: String,
    sent: u32,
    received: u32,
    /// The round trip in the middle, and the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    median_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longest_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Probes every bridge in user space, and tells.
pub(super) fn run(switch: &Switch, at: &SwitchAt, printed: &Printed) -> anyhow::Result<ExitCode> {
    root_only("a switch")?;
    let database = switch.host().path(&at.database);
    let bridges = Client::connect(&database, LIMIT).and_then(|mut client| client.rows::<Bridge>(&[]));
    let bridges = bridges.context("failed to list the switch's bridges")?;
    // Else each probe waits to its limit for what nobody carries out.
    let runs = ovs::vswitchd(switch.host(), at).is_some();
    let netdev = bridges.into_iter().filter(|bridge| bridge.datapath_type == "netdev");
    let passed: Vec<Passed> = netdev
        .map(|bridge| {
            if !runs {
                let error = Some("ovs-vswitchd does not run".to_owned());
                return Passed { error, ..none(bridge.name) };
            }
            let report = probe(&database, &bridge.name, None, Instant::now() + LIMIT);
            of(bridge.name, report)
        })
        .collect();
    show(printed, &passed, || {
        if passed.is_empty() { "no bridge is in user space".to_owned() } else { lines(&passed) }
    })?;
    let all = !passed.is_empty() && passed.iter().all(|one| one.error.is_none() && one.sent == one.received);
    Ok(if all { ExitCode::SUCCESS } else { Exit::Differs.into() })
}

/// Of a bridge that nothing was sent through.
fn none(bridge: String) -> Passed {
    Passed { bridge, sent: 0, received: 0, median_ns: None, longest_ns: None, error: None }
}

fn of(bridge: String, report: Result<Report, ProbeError>) -> Passed {
    let none = none(bridge);
    let ns = |time: Duration| u64::try_from(time.as_nanos()).ok();
    match report {
        Ok(Report { sent, received, median, longest, .. }) => {
            Passed { sent, received, median_ns: ns(median), longest_ns: ns(longest), ..none }
        }
        Err(error) => Passed { error: Some(format!("{:#}", anyhow::Error::new(error))), ..none },
    }
}

fn lines(passed: &[Passed]) -> String {
    let lines = passed.iter().map(|one| match (&one.error, one.median_ns, one.longest_ns) {
        (None, Some(median), Some(longest)) => format!(
            "bridge {}: {} of {} frames passed; round trip {:?}, the longest {:?}",
            one.bridge,
            one.received,
            one.sent,
            Duration::from_nanos(median),
            Duration::from_nanos(longest)
        ),
        (error, ..) => format!("bridge {}: {}", one.bridge, error.as_deref().unwrap_or("nothing is known")),
    });
    lines.collect::<Vec<_>>().join("\n")
}
