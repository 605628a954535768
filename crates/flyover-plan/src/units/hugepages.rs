//! The unit that takes hugepages from the running kernel after each boot.

use flyover_api::When;

use crate::Pool;
use crate::units::{BEFORE, oneshot};

/// The text of [`HUGEPAGES_UNIT`](super::HUGEPAGES_UNIT), if there are pools to take at runtime. The kernel takes
/// what it finds and reports no shortage, so the unit reads back and fails where pages are missing.
#[must_use]
pub fn hugepages_unit(pools: &[Pool]) -> Option<String> {
    let runtime: Vec<&Pool> = pools.iter().filter(|pool| pool.when == When::Runtime).collect();
    let file = |pool: &Pool| pool.size.pool(pool.node);
    let acts: Vec<String> =
        runtime.iter().map(|pool| format!("echo {} > {}", pool.count, file(pool))).collect();
    let checks: Vec<String> =
        runtime.iter().map(|pool| format!("grep -qx {} {}", pool.count, file(pool))).collect();
    let head = format!("Description=Flyover: hugepages of the running kernel\n{BEFORE}");
    (!runtime.is_empty()).then(|| oneshot(&head, &acts, &checks))
}
