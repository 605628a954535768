//! Traffic control of the calling thread's network namespace: qdiscs, filters, and which of them judge packets.
//!
//! A policer or shaper delays or drops by what passed before, and a foreign filter may do anything, so a device that
//! has one must see every packet.
//!
//! Invariant: a kind that is not known to be harmless counts as shaping.

mod parse;

use std::fmt;

pub use parse::{parse_filter, parse_qdisc};

use crate::nl::{NlError, Request, Talk};

/// Qdiscs that only queue. `ingress` and `clsact` do nothing but hold filters, which are judged by themselves.
const HARMLESS: &[&str] =
    &["noqueue", "noop", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel", "mq", "ingress", "clsact"];

/// `RTM_NEWQDISC`, `RTM_GETQDISC`, `RTM_NEWTFILTER`, `RTM_GETTFILTER`.
const NEW_QDISC: u16 = 36;
const GET_QDISC: u16 = 38;
const NEW_FILTER: u16 = 44;
const GET_FILTER: u16 = 46;

/// A queueing discipline on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdisc {
    /// Index of the device.
    pub ifindex: u32,
    /// Its kind, such as `fq_codel`.
    pub kind: String,
    /// Where it sits.
    pub place: Place,
    /// Its own number, `major << 16`.
    pub handle: u32,
}

/// A filter on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Index of the device.
    pub ifindex: u32,
    /// Its classifier, such as `bpf`, `u32`, `matchall`.
    pub classifier: String,
    /// Where it sits.
    pub place: Place,
    /// The kinds of its actions, such as `police`, `mirred`.
    pub actions: Vec<String>,
    /// Its program, if it is a BPF filter.
    pub program: Option<Program>,
}

/// A BPF program that is a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The kernel's number for it; none before Linux 4.14.
    pub id: Option<u32>,
    /// The name it was attached under.
    pub name: String,
}

/// Where on a device something sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// What leaves the device, at the top.
    Root,
    /// What leaves the device, below another qdisc.
    Class,
    /// The filters of what arrives.
    Ingress,
    /// The filters of what leaves.
    Egress,
}

/// Something on a device that must see every packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaping {
    /// Index of the device.
    pub ifindex: u32,
    /// What it is, such as `tbf`, `police`, `bpf`.
    pub kind: String,
    /// Where it sits.
    pub place: Place,
    /// Its program, if it is a BPF filter, so that a caller knows its own.
    pub program: Option<Program>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficControl {
    /// Every qdisc of every device.
    pub qdiscs: Vec<Qdisc>,
    /// Every filter at a device's ingress and egress.
    pub filters: Vec<Filter>,
}

impl TrafficControl {
    /// Reads it from the kernel.
    pub fn read() -> Result<Self, NlError> {
        let mut talk = Talk::open(libc::NETLINK_ROUTE, "qdiscs")?;
        let mut qdiscs = Vec::new();
        talk.ask("qdiscs", &Request::dump(GET_QDISC, &[0; 20]), |message| {
            if message.kind == NEW_QDISC {
                qdiscs.push(parse_qdisc(message.body)?);
            }
            Ok(())
        })?;
        let mut filters = Vec::new();
        for qdisc in &qdiscs {
            for parent in filter_parents(qdisc) {
                filters_at(&mut talk, qdisc.ifindex, *parent, &mut filters)?;
            }
        }
        Ok(Self { qdiscs, filters })
    }

    /// What judges packets, device by device.
    #[must_use]
    pub fn shaping(&self) -> Vec<Shaping> {
        let qdiscs = self.qdiscs.iter().filter(|q| !HARMLESS.contains(&q.kind.as_str()));
        let qdiscs = qdiscs.map(|q| Shaping {
            ifindex: q.ifindex,
            kind: q.kind.clone(),
            place: q.place,
            program: None,
        });
        let filters = self.filters.iter().map(|f| Shaping {
            ifindex: f.ifindex,
            kind: f.actions.first().unwrap_or(&f.classifier).clone(),
            place: f.place,
            program: f.program.clone(),
        });
        qdiscs.chain(filters).collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Root => "root",
            Self::Class => "class",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl fmt::Display for Shaping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind, self.place)?;
        self.program.as_ref().map_or(Ok(()), |p| write!(f, " ({})", p.name))
    }
}

/// Only the two qdiscs that shape nothing themselves need a look at their filters.
fn filter_parents(qdisc: &Qdisc) -> &'static [u32] {
    match qdisc.kind.as_str() {
        "ingress" => &[parse::INGRESS_QDISC],
        "clsact" => &[parse::INGRESS, parse::EGRESS],
        _ => &[],
    }
}

fn filters_at(talk: &mut Talk, ifindex: u32, parent: u32, into: &mut Vec<Filter>) -> Result<(), NlError> {
    let mut head = [0; 20];
    head[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    head[12..16].copy_from_slice(&parent.to_ne_bytes());
    let asked = talk.ask("filters", &Request::dump(GET_FILTER, &head), |message| {
        if message.kind == NEW_FILTER {
            into.extend(parse_filter(message.body)?);
        }
        Ok(())
    });
    match asked {
        // The device or its qdisc went while we looked.
        Err(error) if error.is_absent() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::testing::Room;

    fn shaping(script: &str) -> Vec<String> {
        let room = Room::new("qdisc");
        room.sh("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up");
        room.sh(script);
        let all = room.run(|| TrafficControl::read().unwrap());
        all.shaping().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plain_queues_are_not_shaping() {
        assert_eq!(shaping("tc qdisc add dev v0 root pfifo; tc qdisc add dev v1 clsact"), [""; 0]);
    }

    #[test]
    fn the_bandwidth_plugin_s_shapers_are_found_on_the_device_and_at_its_ingress() {
        let found = shaping(
            "tc qdisc add dev v0 root tbf rate 1mbit burst 10k latency 50ms; tc qdisc add dev v0 ingress;
             tc filter add dev v0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev v1",
        );
        assert_eq!(found, ["tbf at root", "mirred at ingress"]);
    }

    #[test]
    fn a_filter_on_the_way_out_is_found() {
        let found = shaping(
            "tc qdisc add dev v0 clsact;
             tc filter add dev v0 egress protocol ip u32 match ip dport 80 0xffff action mirred egress mirror dev v1",
        );
        assert_eq!(found, ["mirred at egress"]);
    }

    #[test]
    fn a_shaper_below_a_plain_classful_qdisc_is_found() {
        let found = shaping(
            "tc qdisc add dev v0 root handle 1: htb default 1; tc class add dev v0 parent 1: classid 1:1 htb rate 1mbit;
             tc qdisc add dev v0 parent 1:1 tbf rate 1mbit burst 10k latency 50ms",
        );
        assert_eq!(found, ["htb at root", "tbf at class"]);
    }
}
