//! The unit that takes hugepages from the running kernel after each boot.

use flyover_api::When;

use crate::Pool;
use crate::units::{BEFORE, oneshot};

/// The file that holds how many pages there are: of one NUMA node, or of the whole host.
#[must_use]
pub fn pool_file(pool: &Pool) -> String {
    let of_size = format!("{}/nr_hugepages", pool.size.sysfs());
    match pool.node {
        Some(node) => format!("/sys/devices/system/node/node{node}/hugepages/{of_size}"),
        None => format!("/sys/kernel/mm/hugepages/{of_size}"),
    }
}

/// The text of [`HUGEPAGES_UNIT`](super::HUGEPAGES_UNIT), if there are pools to take at runtime. The kernel takes
/// what it finds and reports no shortage, so the unit reads back and fails where pages are missing.
#[must_use]
pub fn hugepages_unit(pools: &[Pool]) -> Option<String> {
    let runtime: Vec<&Pool> = pools.iter().filter(|pool| pool.when == When::Runtime).collect();
    let acts: Vec<String> =
        runtime.iter().map(|pool| format!("echo {} > {}", pool.count, pool_file(pool))).collect();
    let checks: Vec<String> =
        runtime.iter().map(|pool| format!("grep -qx {} {}", pool.count, pool_file(pool))).collect();
    let head = format!("Description=Flyover: hugepages of the running kernel\n{BEFORE}");
    (!runtime.is_empty()).then(|| oneshot(&head, &acts, &checks))
}
