//! Whether a host is as settled: what each hand says, what the running kernel was started with, and what came of it.

use flyover_api::{Iommu, When};
use flyover_core::facts::HostFacts;
use flyover_core::{Drift, Wish};

use crate::plan::missing;
use crate::settle::there;
use crate::{Observations, Settled, state, wishes};

/// All that is not as settled.
#[must_use]
pub fn verify(settled: &Settled, facts: &HostFacts, observed: &Observations) -> Vec<Drift> {
    let mut drift = unfulfilled(&wishes(settled, facts), observed);
    drift.extend(missing(&settled.args, facts).map(|lacks| Drift {
        subject: "running kernel".to_owned(),
        wanted: settled.args.set.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        found: lacks,
    }));
    drift.extend(of_boot_pools(settled, facts));
    drift.extend(of_iommu(settled, facts));
    drift.extend(of_isolation(settled, facts));
    drift
}

/// The wishes that do not hold.
#[must_use]
pub fn unfulfilled(wishes: &[Wish], observed: &Observations) -> Vec<Drift> {
    wishes.iter().filter_map(|wish| of_wish(wish, observed)).collect()
}

fn of_wish(wish: &Wish, observed: &Observations) -> Option<Drift> {
    let subject = wish.action.subject();
    let found = match observed.get(&subject) {
        Some(observed) if observed.holds => return None,
        Some(observed) => state(&observed.found),
        None => "not looked at".to_owned(),
    };
    Some(Drift { subject: subject.to_string(), wanted: state(&wish.action), found })
}

/// The kernel takes what it can at boot, and boots all the same.
fn of_boot_pools(settled: &Settled, facts: &HostFacts) -> Vec<Drift> {
    let pools = settled.pools.iter().filter(|pool| pool.when == When::Boot);
    let short = pools.map(|pool| (pool, there(facts, pool))).filter(|(pool, there)| *there < pool.count);
    short
        .map(|(pool, there)| Drift {
            subject: match pool.node {
                Some(node) => format!("hugepages {} node{node}", pool.size),
                None => format!("hugepages {}", pool.size),
            },
            wanted: format!("{} pages", pool.count),
            found: format!("{there} pages"),
        })
        .collect()
}

/// The argument may be in force and have no effect: only groups tell.
fn of_iommu(settled: &Settled, facts: &HostFacts) -> Option<Drift> {
    let drift = |wanted: &str, found: &str| {
        Some(Drift { subject: "iommu".to_owned(), wanted: wanted.to_owned(), found: found.to_owned() })
    };
    match (settled.iommu?, facts.iommu_is_on()) {
        (Iommu::On | Iommu::Passthrough, false) => drift("on", "there are no IOMMU groups"),
        (Iommu::Off, true) => drift("off", "there are IOMMU groups"),
        _ => None,
    }
}

fn of_isolation(settled: &Settled, facts: &HostFacts) -> Option<Drift> {
    let wanted = &settled.cpu.as_ref()?.isolated;
    let found = &facts.cpu.isolated;
    (!wanted.is_subset(found)).then(|| Drift {
        subject: "isolated CPUs".to_owned(),
        wanted: wanted.to_string(),
        found: if found.is_empty() { "none".to_owned() } else { found.to_string() },
    })
}
