//! Hugepages of the running kernel, and the unit that takes them again after a boot.

use flyover_api::When;
use flyover_core::facts::HostFacts;
use flyover_core::{Action, Disturbance, HostPath, Hugepages, Wish};

use super::{file_wish, own_file, unit_path, unit_wish};
use crate::{OwnFile, Pool, Settled, units};

pub(super) fn wishes(settled: &Settled, facts: &HostFacts) -> Vec<Wish> {
    let pools = runtime(settled).map(|pages| {
        let place = pages.node.map_or("the whole host".to_owned(), |node| format!("NUMA node {node}"));
        Wish {
            why: format!("hugepages.pages: {} of {} on {place}", pages.count, pages.size),
            action: Action::Hugepages(pages),
            disturbs: Disturbance::None,
            after_reboot: false,
        }
    });
    let mut wishes: Vec<Wish> = pools.collect();
    if let Some((path, file)) = file(settled, facts) {
        wishes.push(file_wish(&path, &file, false));
        wishes.push(unit_wish(units::HUGEPAGES_UNIT, "hugepages come back after each boot", false));
    }
    wishes
}

fn runtime(settled: &Settled) -> impl Iterator<Item = Hugepages> + '_ {
    let pools = settled.pools.iter().filter(|pool| pool.when == When::Runtime);
    pools.map(|&Pool { size, node, count, .. }| Hugepages { size, node, count })
}

/// The unit's file, where there are pages for it and systemd reads it.
pub(super) fn file(settled: &Settled, facts: &HostFacts) -> Option<(HostPath, OwnFile)> {
    let text = units::hugepages_unit(&settled.pools).filter(|_| facts.os.systemd)?;
    Some((unit_path(units::HUGEPAGES_UNIT), own_file(text, "hugepages come back after each boot")))
}
