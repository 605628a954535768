//! The switch and what was done for it, as Prometheus metrics, read when they are asked for.

use std::fmt::Error;
use std::sync::Arc;

use flyover_ovs::appctl::{Thread, Work};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Settings;
use super::counts::Counts;
use crate::switch::SwitchError;
use crate::truth::{Condition, ConditionType, PortTruth, Status, Truth, evidence, judge};

/// What one scrape shows.
#[derive(Debug)]
struct Scrape {
    truth: Truth,
    work: Vec<Work>,
    counts: Arc<Counts>,
}

/// A value and its labels.
type Row<const N: usize, T> = ([(&'static str, String); N], T);

/// The metrics as text.
pub(super) fn text(settings: &Settings, counts: &Arc<Counts>) -> Result<String, SwitchError> {
    let scrape = Scrape::read(settings, Arc::clone(counts))?;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string cannot fail");
    Ok(text)
}

impl Scrape {
    fn read(settings: &Settings, counts: Arc<Counts>) -> Result<Self, SwitchError> {
        let evidence = evidence(settings.switch.host(), &settings.switch.at()?)?;
        Ok(Self { truth: judge(&evidence), work: evidence.work, counts })
    }

    fn ports(&self) -> impl Iterator<Item = &PortTruth> {
        self.truth.bridges.iter().flat_map(|bridge| &bridge.ports)
    }

    /// Counters of the database by the keys that are told of, and what they say.
    fn both_ways(&self, rx: &str, tx: &str) -> Vec<Row<2, u64>> {
        let of = |port: &PortTruth, direction: &str, key: &str| {
            let value = u64::try_from(*port.statistics.get(key)?).ok()?;
            Some(([("port", port.name.clone()), ("direction", direction.to_owned())], value))
        };
        self.ports().flat_map(|port| [of(port, "rx", rx), of(port, "tx", tx)]).flatten().collect()
    }

    fn drops(&self) -> Vec<Row<2, u64>> {
        let is_loss = |key: &str| key.contains("drop") || key.contains("error");
        let of_port = |port: &PortTruth| {
            let causes = port.statistics.iter().filter(|(key, value)| is_loss(key) && **value >= 0);
            let row = |(cause, value): (&String, &i64)| {
                ([("port", port.name.clone()), ("cause", cause.clone())], value.unsigned_abs())
            };
            causes.map(row).collect::<Vec<_>>()
        };
        self.ports().flat_map(of_port).collect()
    }

    fn peers(&self) -> Vec<Row<1, i64>> {
        let is = |port: &PortTruth| {
            let peer = port.conditions.iter().find(|found| found.kind == ConditionType::PeerConnected)?;
            Some(([("port", port.name.clone())], known(peer)?))
        };
        self.ports().filter_map(is).collect()
    }

    fn queues(&self) -> Vec<Row<3, i64>> {
        let of_port = |port: &PortTruth| {
            let queues = port.queues.iter().filter_map(|queue| {
                let labels = [
                    ("port", port.name.clone()),
                    ("queue", queue.queue.to_string()),
                    ("core", queue.core.to_string()),
                ];
                Some((labels, i64::from(queue.usage?)))
            });
            queues.collect::<Vec<_>>()
        };
        self.ports().flat_map(of_port).collect()
    }

    fn cycles(&self) -> Vec<Row<3, u64>> {
        let of_thread = |work: &Work| {
            let Thread::Pmd { numa, core } = work.thread else { return Vec::new() };
            let labels = |state: &str| {
                [("core", core.to_string()), ("numa", numa.to_string()), ("state", state.to_owned())]
            };
            let both = [("busy", work.busy_cycles), ("idle", work.idle_cycles)];
            both.into_iter().filter_map(|(state, cycles)| Some((labels(state), cycles?))).collect()
        };
        self.work.iter().flat_map(of_thread).collect()
    }

    fn pools(&self) -> Vec<Row<2, i64>> {
        let of_pool = |pool: &crate::truth::PoolTruth| {
            let name = pool.name.clone();
            let both = [("size", pool.size), ("in_use", pool.in_use)];
            both.into_iter().filter_map(move |(state, packets)| {
                let labels = [("pool", name.clone()), ("state", state.to_owned())];
                Some((labels, i64::try_from(packets?).ok()?))
            })
        };
        self.truth.pools.iter().flat_map(of_pool).collect()
    }

    /// What holds. What is not known is not told.
    fn conditions(&self) -> Vec<Row<3, i64>> {
        let row = |kind: &str, object: &str, condition: &Condition| {
            let labels = [
                ("object", kind.to_owned()),
                ("name", object.to_owned()),
                ("type", format!("{:?}", condition.kind)),
            ];
            Some((labels, known(condition)?))
        };
        let whole = self.truth.conditions.iter().filter_map(|found| row("switch", "", found));
        let bridges = self.truth.bridges.iter().flat_map(|bridge| {
            bridge.conditions.iter().filter_map(|found| row("bridge", &bridge.name, found))
        });
        let ports = self
            .ports()
            .flat_map(|port| port.conditions.iter().filter_map(|found| row("port", &port.name, found)));
        whole.chain(bridges).chain(ports).collect()
    }
}

fn known(condition: &Condition) -> Option<i64> {
    match condition.status {
        Status::True => Some(1),
        Status::False => Some(0),
        Status::Unknown => None,
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let to = &mut encoder;
        let help = "Packets that went through a port, seen from the switch";
        counters(to, "flyover_switch_port_packets", help, self.both_ways("rx_packets", "tx_packets"))?;
        let help = "Bytes that went through a port, seen from the switch";
        counters(to, "flyover_switch_port_bytes", help, self.both_ways("rx_bytes", "tx_bytes"))?;
        counters(to, "flyover_switch_port_drops", "Packets that a port lost, by cause", self.drops())?;
        let help = "Whether a peer is at the other end of a port's socket";
        gauges(to, "flyover_switch_port_peer_connected", help, self.peers())?;
        let help = "Per cent of its thread's time that a queue takes";
        gauges(to, "flyover_switch_queue_share", help, self.queues())?;
        let help = "Cycles of a polling thread, by whether there was something to do";
        counters(to, "flyover_switch_pmd_cycles", help, self.cycles())?;
        gauges(to, "flyover_switch_pool_packets", "Packets that a pool holds, and has in use", self.pools())?;
        let help = "Whether something holds: 1 it does, 0 it does not; what is not known is left out";
        gauges(to, "flyover_switch_condition", help, self.conditions())?;
        let labelled = |label, (value, n): (&str, u64)| ([(label, value.to_owned())], n);
        let rounds = self.counts.rounds().map(|row| labelled("result", row)).to_vec();
        counters(to, "flyover_switch_reconciliations", "Rounds, by how they ended", rounds)?;
        let leaked = self.counts.leaked().map(|row| labelled("state", row)).to_vec();
        let help = "Attachments that nobody had any more: found, and taken away";
        counters(to, "flyover_switch_leaked_attachments", help, leaked)?;
        let now = vec![([("switch", self.truth.switch.to_string())], self.counts.now())];
        gauges(to, "flyover_switch_leaks", "Attachments that nobody has any more, and are there", now)
    }
}

fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: Vec<Row<N, u64>>,
) -> Result<(), Error> {
    let kind = ConstCounter::new(0u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    rows.into_iter()
        .try_for_each(|(labels, value)| ConstCounter::new(value).encode(family.encode_family(&labels)?))
}

fn gauges<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: Vec<Row<N, i64>>,
) -> Result<(), Error> {
    let kind = ConstGauge::new(0i64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    rows.into_iter()
        .try_for_each(|(labels, value)| ConstGauge::new(value).encode(family.encode_family(&labels)?))
}
