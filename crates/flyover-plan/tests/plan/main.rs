//! Profiles on hosts: what is settled, what is refused, and what is planned.

#![expect(clippy::unwrap_used, reason = "fixtures that are wrong shall fail their test")]

mod cpu;
mod drivers;
mod fixtures;
mod hugepages;
mod iommu;
mod model;
mod planning;
mod random;
mod system;

use flyover_api::NodeProfileSpec;
use flyover_core::Refusal;
use flyover_core::facts::HostFacts;
use flyover_plan::{Settled, settle};

fn spec(yaml: &str) -> NodeProfileSpec {
    NodeProfileSpec::from_yaml(yaml).unwrap()
}

fn settled(yaml: &str, host: &HostFacts) -> Settled {
    settle(&spec(yaml), host).unwrap()
}

fn refusals(yaml: &str, host: &HostFacts) -> Vec<Refusal> {
    settle(&spec(yaml), host).unwrap_err()
}

/// The refusals as a person sees them.
fn refused(yaml: &str, host: &HostFacts) -> String {
    let lines = refusals(yaml, host).into_iter().map(|refusal| {
        let hint = refusal.hint.as_ref().map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("{:?}: {refusal}{hint}", refusal.kind)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn args(settled: &Settled) -> String {
    settled.args.set.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
