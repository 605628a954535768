//! The books as Prometheus metrics.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::books::{Books, BooksError};
use crate::instance::Instance;
use crate::report::Report;
use crate::view;

/// How many single flows a scrape shows: each is a series of its own to who stores them.
const BUSIEST: usize = 100;

/// What one scrape shows.
#[derive(Debug)]
struct Scrape {
    report: Report,
    bypassing: bool,
    /// Packets and bytes by device of entry.
    saved: Vec<(String, u64, u64)>,
    slow: Vec<(&'static str, u64)>,
    flows: Vec<(&'static str, i64)>,
    /// Packets and bytes of the busiest flows, by flow and device of entry.
    busiest: Vec<(String, String, u64, u64)>,
}

impl Scrape {
    fn read(instance: &Instance) -> Result<Self, BooksError> {
        let books = Books::open(instance)?;
        let report = Report::read(instance).map_err(|source| BooksError::NoReport { source })?;
        let flows = view::flows(&report, &books)?;
        let mut saved = std::collections::BTreeMap::<String, (u64, u64)>::new();
        for (ifindex, retired) in books.retired()? {
            saved.insert(report.device(ifindex), (retired.packets, retired.bytes));
        }
        for flow in &flows {
            let sum = saved.entry(flow.from.clone()).or_default();
            *sum = (sum.0 + flow.packets, sum.1 + flow.bytes);
        }
        let count = |state| {
            (state, i64::try_from(flows.iter().filter(|f| f.state == state).count()).unwrap_or(i64::MAX))
        };
        Ok(Self {
            bypassing: report.paused.is_empty() && books.alive_until()? > report.jiffies(),
            saved: saved.into_iter().map(|(device, (packets, bytes))| (device, packets, bytes)).collect(),
            slow: books.reasons()?.into_iter().map(|(reason, n)| (reason.name, n)).collect(),
            flows: ["fast", "renewing", "waiting"].map(count).to_vec(),
            busiest: flows
                .iter()
                .filter(|f| f.packets > 0)
                .take(BUSIEST)
                .map(|f| (f.flow.to_string(), f.from.clone(), f.packets, f.bytes))
                .collect(),
            report,
        })
    }
}

impl prometheus_client::collector::Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut counters = |name: &str, help: &str, label: &'static str, rows: Vec<(&str, u64)>| {
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            rows.into_iter().try_for_each(|(value, n)| {
                ConstCounter::new(n).encode(family.encode_family(&[(label, value)])?)
            })
        };
        let by_device = |pick: fn(&(String, u64, u64)) -> u64| {
            self.saved.iter().map(|s| (s.0.as_str(), pick(s))).collect()
        };
        counters(
            "flyover_fastpath_bypassed_packets",
            "Packets spared the slow path, by device of entry",
            "device",
            by_device(|s| s.1),
        )?;
        counters(
            "flyover_fastpath_bypassed_bytes",
            "Their bytes, with Ethernet headers, without a tunnel's",
            "device",
            by_device(|s| s.2),
        )?;
        counters(
            "flyover_fastpath_slow_packets",
            "Packets that took the slow path, by reason",
            "reason",
            self.slow.clone(),
        )?;
        let mut by_flow = |name: &str, help: &str, pick: fn(&(String, String, u64, u64)) -> u64| {
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            self.busiest.iter().try_for_each(|row| {
                let labels = [("flow", row.0.as_str()), ("device", row.1.as_str())];
                ConstCounter::new(pick(row)).encode(family.encode_family(&labels)?)
            })
        };
        let name = "flyover_fastpath_flow_bypassed_packets";
        by_flow(name, "Packets of the busiest flows that were spared the slow path", |r| r.2)?;
        by_flow(
            "flyover_fastpath_flow_bypassed_bytes",
            "Their bytes, with Ethernet headers, without a tunnel's",
            |r| r.3,
        )?;
        let mut gauges = |name: &str, help: &str, label: &'static str, rows: Vec<(&str, i64)>| {
            let kind = ConstGauge::new(0i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            rows.into_iter().try_for_each(|(value, n)| {
                ConstGauge::new(n).encode(family.encode_family(&[(label, value)])?)
            })
        };
        gauges(
            "flyover_fastpath_flows",
            "Directions of flows in the books, by state",
            "state",
            self.flows.clone(),
        )?;
        let (on, out): (Vec<_>, Vec<_>) = self.report.pods.iter().partition(|p| p.out_because.is_empty());
        let len = |v: Vec<_>| i64::try_from(Vec::len(&v)).unwrap_or(i64::MAX);
        gauges(
            "flyover_fastpath_pods",
            "Pods' devices, by whether they are accelerated",
            "state",
            vec![("on", len(on)), ("out", len(out))],
        )?;
        gauges(
            "flyover_fastpath_bypassing",
            "Whether packets are bypassed now",
            "instance",
            vec![(&self.report.name, self.bypassing.into())],
        )
    }
}

/// The metrics of an instance as text.
pub fn text(instance: &Instance) -> Result<String, BooksError> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape::read(instance)?));
    let mut out = String::new();
    encode(&mut out, &registry).expect("writing to a string cannot fail");
    Ok(out)
}
