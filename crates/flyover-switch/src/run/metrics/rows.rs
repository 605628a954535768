//! Values and their labels, of what is known of a switch.

use flyover_ovs::appctl::{Thread, Work};

use crate::truth::{Condition, ConditionType, PoolTruth, PortTruth, Status, Truth};

/// A value and its labels.
pub(super) type Row<const N: usize, T> = ([(&'static str, String); N], T);

fn ports(truth: &Truth) -> impl Iterator<Item = &PortTruth> {
    truth.bridges.iter().flat_map(|bridge| &bridge.ports)
}

/// Counters of the database by the keys that are told of, and what they say.
pub(super) fn both_ways(truth: &Truth, rx: &str, tx: &str) -> impl Iterator<Item = Row<2, u64>> {
    let of = |port: &PortTruth, direction: &str, key: &str| {
        let value = u64::try_from(*port.statistics.get(key)?).ok()?;
        Some(([("port", port.name.clone()), ("direction", direction.to_owned())], value))
    };
    ports(truth).flat_map(move |port| [of(port, "rx", rx), of(port, "tx", tx)]).flatten()
}

/// Counters of what was lost. `rx_dropped` and `tx_dropped` count all of it, and are told less what other counters name the
/// cause of: so they may be added up.
pub(super) fn drops(truth: &Truth) -> impl Iterator<Item = Row<2, u64>> {
    let is_loss = |key: &str| key.contains("drop") || key.contains("error");
    ports(truth).flat_map(move |port| {
        let losses = port.statistics.iter().filter(move |(key, value)| is_loss(key) && **value >= 0);
        losses.map(|(cause, value)| {
            let lost = value.unsigned_abs().saturating_sub(named(port, cause));
            ([("port", port.name.clone()), ("cause", cause.clone())], lost)
        })
    })
}

/// What of one of the two sums other counters tell.
fn named(port: &PortTruth, sum: &str) -> u64 {
    let is_part = |key: &str| match sum {
        "rx_dropped" => {
            (key.starts_with("ovs_rx_") && key.ends_with("_drops"))
                || matches!(key, "rx_missed_errors" | "rx_mbuf_allocation_errors")
        }
        "tx_dropped" => key.starts_with("ovs_tx_") && key.ends_with("_drops"),
        _ => false,
    };
    let parts = port.statistics.iter().filter(|(key, _)| is_part(key));
    parts.filter_map(|(_, value)| u64::try_from(*value).ok()).sum()
}

/// Whether a peer is there.
pub(super) fn peers(truth: &Truth) -> impl Iterator<Item = Row<1, i64>> {
    ports(truth).filter_map(|port| {
        let peer = port.conditions.iter().find(|found| found.kind == ConditionType::PeerConnected)?;
        Some(([("port", port.name.clone())], known(peer)?))
    })
}

/// What of its thread's time a queue takes.
pub(super) fn queues(truth: &Truth) -> impl Iterator<Item = Row<3, f64>> {
    ports(truth).flat_map(|port| {
        port.queues.iter().filter_map(|queue| {
            let labels = [
                ("port", port.name.clone()),
                ("queue", queue.queue.to_string()),
                ("core", queue.core.to_string()),
            ];
            Some((labels, f64::from(queue.usage?) / 100.0))
        })
    })
}

/// What polling threads did.
pub(super) fn cycles(work: &[Work]) -> impl Iterator<Item = Row<3, u64>> {
    work.iter().flat_map(|work| {
        let (numa, core) = match work.thread {
            Thread::Pmd { numa, core } => (Some(numa), core),
            Thread::Main => (None, 0),
        };
        let row = move |(state, cycles): (&str, Option<u64>)| {
            let labels =
                [("core", core.to_string()), ("numa", numa?.to_string()), ("state", state.to_owned())];
            Some((labels, cycles?))
        };
        [("busy", work.busy_cycles), ("idle", work.idle_cycles)].into_iter().filter_map(row)
    })
}

/// A number of each pool.
pub(super) fn pools(
    pools: &[PoolTruth],
    number: impl Fn(&PoolTruth) -> Option<u64>,
) -> impl Iterator<Item = Row<1, i64>> {
    pools
        .iter()
        .filter_map(move |pool| Some(([("pool", pool.name.clone())], i64::try_from(number(pool)?).ok()?)))
}

/// What holds. What is not known is not told.
pub(super) fn conditions(truth: &Truth) -> impl Iterator<Item = Row<3, i64>> {
    let row = |kind: &str, object: &str, condition: &Condition| {
        let labels = [
            ("object", kind.to_owned()),
            ("name", object.to_owned()),
            ("type", format!("{:?}", condition.kind)),
        ];
        Some((labels, known(condition)?))
    };
    let whole = truth.conditions.iter().filter_map(move |found| row("switch", truth.switch.as_str(), found));
    let of_bridge = move |bridge: &'_ crate::truth::BridgeTruth| {
        bridge.conditions.iter().filter_map(|found| row("bridge", &bridge.name, found)).collect::<Vec<_>>()
    };
    let of_port = move |port: &PortTruth| {
        port.conditions.iter().filter_map(|found| row("port", &port.name, found)).collect::<Vec<_>>()
    };
    whole.chain(truth.bridges.iter().flat_map(of_bridge)).chain(ports(truth).flat_map(of_port))
}

fn known(condition: &Condition) -> Option<i64> {
    match condition.status {
        Status::True => Some(1),
        Status::False => Some(0),
        Status::Unknown => None,
    }
}
