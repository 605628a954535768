//! How long a plan takes on the largest host we promise to be quick on: 10 ms at most.

#[path = "../tests/plan/fixtures.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the bench plans on one of the hosts of the tests")]
mod fixtures;

use std::time::{Duration, Instant};

use flyover_api::NodeProfileSpec;
use flyover_core::Ledger;
use flyover_plan::{Observations, plan, settle};

const PROFILE: &str = "\
iommu: passthrough
cpu: {isolated: auto, coresPerNode: 4}
hugepages: {pages: [{size: 1G, count: 64, when: boot}, {size: 2M, count: 1024, node: 0}]}
drivers: [{select: {class: 02}, driver: vfio-pci}]
services: [{name: chronyd, state: disabled}]
sysctls: {vm.swappiness: 1}
";

fn main() {
    let facts = fixtures::large();
    let spec = NodeProfileSpec::from_yaml(PROFILE).expect("the profile above is one");
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let start = Instant::now();
            let settled = settle(&spec, &facts).expect("the host above can do it");
            let plan = plan(&settled, &facts, &Observations::new(), &Ledger::new());
            assert!(plan.steps.len() > 200);
            start.elapsed()
        })
        .collect();
    times.sort();
    #[expect(clippy::print_stdout, reason = "this is what the bench is for")]
    {
        println!(
            "plan, 512 CPUs, 8 NUMA nodes, 200 PCI functions: median {:?}, p99 {:?}",
            times[100], times[197]
        );
    }
}
