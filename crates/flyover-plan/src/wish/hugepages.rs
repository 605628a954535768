//! Hugepages of the running kernel, and the unit that takes them again after a boot.

use flyover_api::When;
use flyover_core::facts::HostFacts;
use flyover_core::{Action, Disturbance, HostPath, Hugepages, Wish};

use super::{HEAD, file_wish, own_file, own_path, unit_wish};
use crate::by_hand::pool_file;
use crate::{OwnFile, Pool, Settled};

const UNIT: &str = "flyover-hugepages.service";
const PATH: &str = "/etc/systemd/system/flyover-hugepages.service";

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
        wishes.push(unit_wish(UNIT, "hugepages come back after each boot", false));
    }
    wishes
}

fn runtime(settled: &Settled) -> impl Iterator<Item = Hugepages> + '_ {
    let pools = settled.pools.iter().filter(|pool| pool.when == When::Runtime);
    pools.map(|&Pool { size, node, count, .. }| Hugepages { size, node, count })
}

/// The unit's file, where there are pages for it and systemd reads it.
pub(super) fn file(settled: &Settled, facts: &HostFacts) -> Option<(HostPath, OwnFile)> {
    let lines: String = runtime(settled)
        .map(|pages| format!("ExecStart=/bin/sh -c 'echo {} > {}'\n", pages.count, pool_file(&pages)))
        .collect();
    if lines.is_empty() || !facts.os.systemd {
        return None;
    }
    let content = format!(
        "{HEAD}[Unit]\n\
         Description=Hugepages of the node profile\n\
         Before=kubelet.service openvswitch-switch.service openvswitch.service\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {lines}\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    Some((own_path(PATH), own_file(content, "hugepages come back after each boot")))
}
