//! What goes through a datapath and its ports.

use super::scan::{Kind, count, indent, number};

/// A datapath and its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// `netdev@ovs-netdev`, …
    pub name: String,
    /// Packets for which it knew a flow.
    pub hit: Option<u64>,
    /// Packets for which it had to ask.
    pub missed: Option<u64>,
    /// Packets that were lost since nobody could be asked.
    pub lost: Option<u64>,
    /// Flows that it knows.
    pub flows: Option<u64>,
    /// Its ports.
    pub ports: Vec<TrafficPort>,
}

/// A port of a datapath and its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficPort {
    /// Its number in the datapath.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What came in.
    pub rx: Counters,
    /// What went out.
    pub tx: Counters,
}

/// Counters of one direction; `None` is what the port does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: Option<u64>,
    /// Packets that were broken.
    pub errors: Option<u64>,
    /// Packets that were dropped.
    pub dropped: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
}

impl Traffic {
    /// All datapaths that `dpctl/show -s` tells of.
    #[must_use]
    pub fn all(text: &str) -> Vec<Self> {
        let mut datapaths: Vec<Self> = Vec::new();
        for line in text.lines() {
            if indent(line) == 0 && !line.is_empty() {
                let name = line.trim_end().trim_end_matches(':').to_owned();
                datapaths.push(Self { name, ..Self::default() });
            } else if let Some(datapath) = datapaths.last_mut() {
                datapath.hear(line.trim());
            }
        }
        datapaths
    }

    fn hear(&mut self, line: &str) {
        if let Some(port) = line.strip_prefix("port ").and_then(TrafficPort::of) {
            self.ports.push(port);
        } else if let Some(port) = self.ports.last_mut() {
            port.hear(line);
        } else if line.starts_with("lookups:") {
            self.hit = count(line, "hit:");
            self.missed = count(line, "missed:");
            self.lost = count(line, "lost:");
        } else if line.starts_with("flows:") {
            self.flows = count(line, "flows:");
        }
    }
}

impl TrafficPort {
    fn of(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once(": ")?;
        let (name, kind) = rest.rsplit_once(" (").unwrap_or((rest, ""));
        Some(Self { number: number(at)?, name: name.to_owned(), kind: Kind::of(kind), ..Self::default() })
    }

    fn hear(&mut self, line: &str) {
        if line.starts_with("RX bytes:") {
            self.rx.bytes = count(line, "RX bytes:");
            self.tx.bytes = count(line, "TX bytes:");
        } else if line.starts_with("RX packets:") {
            self.rx.hear(line);
        } else if line.starts_with("TX packets:") {
            self.tx.hear(line);
        }
    }
}

impl Counters {
    fn hear(&mut self, line: &str) {
        self.packets = count(line, "packets:");
        self.errors = count(line, "errors:");
        self.dropped = count(line, "dropped:");
    }
}
