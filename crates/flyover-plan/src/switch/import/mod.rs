//! A spec from what is there already: kube-ovn's `config.cfg`, or a running switch.
//!
//! Invariants: what was written is parsed, never run; all that is understood is in the spec, and all else is named.

mod advice;
mod config;
mod running;
mod running_ports;

use flyover_api::SwitchSpec;
use flyover_core::facts::HostFacts;
use serde::Serialize;

use super::fold::fold;
use super::lint::Finding;
use super::{Release, size};

pub use config::config_cfg;
pub use running::running;

/// A spec, and what is wrong in what it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The spec: the same switch as before, faults and all.
    pub spec: SwitchSpec,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// Moves options into their fields and says what is wrong with them, on a host if one is given.
fn finish(spec: &SwitchSpec, mut findings: Vec<Finding>, on: Option<(&HostFacts, &Release)>) -> Imported {
    let (folded, refusals) = fold(spec);
    findings.extend(refusals.into_iter().map(Finding::from));
    findings.extend(advice::of_spec(&folded));
    if let Some((host, release)) = on {
        let (sizing, refusals) = size(&folded, host, release);
        findings.extend(refusals.into_iter().map(Finding::from));
        findings.extend(sizing.notes.iter().map(|note| Finding::warning("this host", note)));
    }
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.level);
    Imported { spec: folded, findings: kept }
}
