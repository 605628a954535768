//! The switch and what was done for it, as Prometheus metrics, read when they are asked for.
//!
//! Invariants: names and units are as Prometheus wants them (`bytes`, `packets`, a `ratio` from 0 to 1; what a family counts may be
//! added up over its labels); what is not known is left out; one row at a time is made of what was read.

mod rows;

use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

use flyover_ovs::appctl::Work;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Settings;
use super::counts::Counts;
use crate::switch::SwitchError;
use crate::truth::{Truth, evidence_within, judge};
use rows::Row;

/// How long the daemon may take to answer whether it does: who scrapes does not wait long.
const PATIENCE: Duration = Duration::from_secs(3);

/// What one scrape shows.
#[derive(Debug)]
struct Scrape {
    truth: Truth,
    work: Vec<Work>,
    counts: Arc<Counts>,
}

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
        let evidence = evidence_within(settings.switch.host(), &settings.switch.at()?, PATIENCE)?;
        let work = evidence.work.clone();
        Ok(Self { truth: judge(evidence), work, counts })
    }

    fn ports(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let truth = &self.truth;
        let help = "Packets that went through a port, seen from the switch";
        counters(
            to,
            "flyover_switch_port_packets",
            help,
            rows::both_ways(truth, "rx_packets", "tx_packets"),
        )?;
        let help = "Bytes that went through a port, seen from the switch";
        counters(to, "flyover_switch_port_bytes", help, rows::both_ways(truth, "rx_bytes", "tx_bytes"))?;
        let help = "Packets that a port lost, by cause";
        counters(to, "flyover_switch_port_drops", help, rows::drops(truth))?;
        let help = "Whether a peer is at the other end of a port's socket";
        gauges(to, "flyover_switch_port_peer_connected", help, rows::peers(truth))?;
        let help = "Share of its thread's time that a queue takes, from 0 to 1";
        gauges(to, "flyover_switch_queue_usage_ratio", help, rows::queues(truth))
    }

    fn switch(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Cycles of a polling thread, by whether there was something to do";
        counters(to, "flyover_switch_pmd_cycles", help, rows::cycles(&self.work))?;
        let pools = &self.truth.pools;
        let help = "Packets that a pool has room for";
        gauges(to, "flyover_switch_pool_size_packets", help, rows::pools(pools, |pool| pool.size))?;
        let help = "Packets of a pool that are in use";
        gauges(to, "flyover_switch_pool_used_packets", help, rows::pools(pools, |pool| pool.in_use))?;
        let help = "Whether something holds: 1 it does, 0 it does not; what is not known is left out";
        gauges(to, "flyover_switch_condition", help, rows::conditions(&self.truth))
    }

    fn keeping(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let by = |(result, count): (&str, u64)| ([("result", result.to_owned())], count);
        let rounds = self.counts.rounds().into_iter().map(by);
        counters(to, "flyover_switch_reconciliations", "Rounds, by how they ended", rounds)?;
        let annotations = self.counts.annotations().into_iter().map(by);
        let help = "Attempts to annotate pods, by how they ended";
        counters(to, "flyover_switch_pod_annotations", help, annotations)?;
        let help = "Attachments that nobody had any more, when they were found";
        single(to, "flyover_switch_leaks_found", help, &ConstCounter::new(self.counts.found()))?;
        let help = "Attachments that nobody had any more, and were taken away";
        single(to, "flyover_switch_leaks_collected", help, &ConstCounter::new(self.counts.collected()))?;
        let help = "Attachments that nobody has any more, and are there";
        single(to, "flyover_switch_leaks", help, &ConstGauge::new(self.counts.now()))
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.ports(&mut encoder)?;
        self.switch(&mut encoder)?;
        self.keeping(&mut encoder)
    }
}

fn single(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeMetric,
) -> Result<(), Error> {
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}

fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    mut rows: impl Iterator<Item = Row<N, u64>>,
) -> Result<(), Error> {
    let kind = ConstCounter::new(0u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    rows.try_for_each(|(labels, value)| ConstCounter::new(value).encode(family.encode_family(&labels)?))
}

fn gauges<const N: usize, T>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    mut rows: impl Iterator<Item = Row<N, T>>,
) -> Result<(), Error>
where
    ConstGauge<T>: EncodeMetric,
{
    let kind = ConstGauge::new(0i64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    rows.try_for_each(|(labels, value)| ConstGauge::new(value).encode(family.encode_family(&labels)?))
}
