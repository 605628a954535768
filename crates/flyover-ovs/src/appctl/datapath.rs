//! Which ports are in the datapath: the truth, where the database has the wish.

use super::scan::{Kind, count, indent};

/// A datapath and the bridges on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datapath {
    /// `netdev@ovs-netdev`, …
    pub name: String,
    /// Packets for which it knew a flow.
    pub hit: Option<u64>,
    /// Packets for which it had to ask.
    pub missed: Option<u64>,
    /// Its bridges.
    pub bridges: Vec<DatapathBridge>,
}

/// A bridge and its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatapathBridge {
    /// Its name.
    pub name: String,
    /// Its ports.
    pub ports: Vec<DatapathPort>,
}

/// A port of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatapathPort {
    /// Its name.
    pub name: String,
    /// Its number for OpenFlow.
    pub ofport: Option<u32>,
    /// Its number in the datapath; `None` says that the datapath does not have it.
    pub number: Option<u32>,
    /// What it is.
    pub kind: Kind,
}

impl Datapath {
    /// All datapaths that `dpif/show` tells of.
    #[must_use]
    pub fn all(text: &str) -> Vec<Self> {
        let mut datapaths: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match (indent(line), datapaths.last_mut()) {
                (0, _) => datapaths.push(Self::of(line)),
                (2, Some(datapath)) => {
                    let name = line.trim().trim_end_matches(':').to_owned();
                    datapath.bridges.push(DatapathBridge { name, ports: Vec::new() });
                }
                (_, Some(datapath)) => {
                    if let Some(bridge) = datapath.bridges.last_mut() {
                        bridge.ports.extend(DatapathPort::of(line.trim()));
                    }
                }
                (_, None) => {}
            }
        }
        datapaths
    }

    /// A port, in whichever bridge.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&DatapathPort> {
        self.bridges.iter().flat_map(|bridge| &bridge.ports).find(|port| port.name == name)
    }

    fn of(line: &str) -> Self {
        let name = line.split_once(": ").map_or(line.trim_end_matches(':'), |(name, _)| name).to_owned();
        Self { name, hit: count(line, "hit:"), missed: count(line, "missed:"), bridges: Vec::new() }
    }
}

impl DatapathPort {
    /// `vhu0 1/2: (dpdkvhostuserclient: …)`, where `none` stands for a number that is not there.
    fn of(line: &str) -> Option<Self> {
        let (head, kind) = line.split_once(": (").unwrap_or((line.trim_end_matches(':'), ""));
        let (name, numbers) = head.rsplit_once(' ')?;
        let (ofport, number) = numbers.split_once('/')?;
        Some(Self {
            name: name.to_owned(),
            ofport: ofport.parse().ok(),
            number: number.parse().ok(),
            kind: Kind::of(kind),
        })
    }
}
