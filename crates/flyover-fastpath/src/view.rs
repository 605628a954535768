//! The books and the report put together, as people and programs read them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use flyover_core::Flow;
use serde::{Deserialize, Serialize};

use crate::abi::{Action, FLAG_NAT, FLAG_NO_CT};
use crate::books::{Books, BooksError, FlowEntry};
use crate::reason::reason;
use crate::report::Report;

/// One direction of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowView {
    /// As it enters the node.
    pub flow: Flow,
    /// As it leaves it, if that differs.
    pub translated: Option<Flow>,
    /// Device it enters by.
    pub from: String,
    /// Device it leaves by.
    pub to: String,
    /// `to-pod`, `tunnel` or `plain`.
    pub action: &'static str,
    /// Network number of the tunnel it comes by.
    pub vni: Option<u32>,
    /// `fast`, `renewing` (its next packet proves it again), `waiting` (not open yet).
    pub state: &'static str,
    /// Whether conntrack knows it.
    pub conntrack: bool,
    /// Since when it is known, in milliseconds.
    pub age_ms: u64,
    /// How long it holds from now, in milliseconds.
    pub lease_left_ms: u64,
    /// How often it was proven again.
    pub renewals: u64,
    /// Packets that were spared the slow path.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a flow, or a pod, is or is not accelerated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What was asked about.
    pub subject: String,
    /// Whether its packets are bypassed now.
    pub accelerated: bool,
    /// One sentence each.
    pub because: Vec<String>,
    /// What a pod that is left alone forgoes.
    pub forgoes: Option<String>,
}

/// The conversations of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodFlows {
    /// How many are bypassed now.
    pub accelerated: usize,
    /// How many are not.
    pub slow: usize,
    /// Some of them as the pod sees them, those that are bypassed first.
    pub some: Vec<Why>,
}

/// All flows, the busiest first.
pub fn flows(report: &Report, books: &Books) -> Result<Vec<FlowView>, BooksError> {
    let (epoch, now) = (books.epoch()?, report.jiffies());
    let mut views: Vec<_> =
        books.flows()?.iter().filter_map(|entry| view(report, entry, epoch, now)).collect();
    views.sort_by_key(|v| (std::cmp::Reverse(v.packets), v.flow));
    Ok(views)
}

fn view(report: &Report, entry: &FlowEntry, epoch: u32, now: u64) -> Option<FlowView> {
    let (flow, way) = (entry.flow()?, &entry.way);
    let millis = |ticks: u64| ticks.saturating_mul(1000) / report.hertz.max(1);
    let holds = way.epoch == epoch && way.lease > now;
    Some(FlowView {
        flow,
        translated: entry.translated().filter(|_| way.flags & FLAG_NAT != 0),
        from: report.device(way.key.ifindex),
        to: report.device(way.out),
        action: match way.action()? {
            Action::Peer => "to-pod",
            Action::Encap => "tunnel",
            Action::Plain => "plain",
        },
        vni: way.key.vni(),
        state: if !way.is_open() {
            "waiting"
        } else if holds {
            "fast"
        } else {
            "renewing"
        },
        conntrack: way.flags & FLAG_NO_CT == 0,
        age_ms: millis(now.saturating_sub(way.born)),
        lease_left_ms: if holds { millis(way.lease - now) } else { 0 },
        renewals: way.renewals,
        packets: way.packets,
        bytes: way.bytes,
    })
}

/// Why that flow is or is not accelerated; either of its directions, as it enters or as it leaves the node.
pub fn why_flow(report: &Report, books: &Books, flow: Flow) -> Result<Why, BooksError> {
    let mut found = flows(report, books)?;
    found.retain(|v| {
        [Some(v.flow), v.translated].into_iter().flatten().any(|f| f == flow || f == flow.reversed())
    });
    why(report, books, flow, &found)
}

/// The conversations of the pod with these addresses, at most so many of them told one by one: those in the books, and
/// those that only conntrack knows, whose two directions are given.
pub fn why_address(
    report: &Report,
    books: &Books,
    addresses: &BTreeSet<IpAddr>,
    tracked: &[[Flow; 2]],
    most: usize,
) -> Result<PodFlows, BooksError> {
    let conversations = conversations(flows(report, books)?, addresses, tracked);
    let (fast, slow): (Vec<_>, Vec<_>) =
        conversations.iter().partition(|(_, found)| is_bypassed(report, found));
    let told = fast.iter().chain(&slow).take(most);
    let some = told.map(|(flow, found)| why(report, books, **flow, found)).collect::<Result<_, _>>()?;
    Ok(PodFlows { accelerated: fast.len(), slow: slow.len(), some })
}

/// What is in the books of each conversation of a pod. Its name is that of the packets that the pod sends.
fn conversations(
    flows: Vec<FlowView>,
    addresses: &BTreeSet<IpAddr>,
    tracked: &[[Flow; 2]],
) -> BTreeMap<Flow, Vec<FlowView>> {
    let mut conversations: BTreeMap<Flow, Vec<FlowView>> = BTreeMap::new();
    for view in flows {
        let came = view.translated.unwrap_or(view.flow);
        if addresses.contains(&view.flow.src.ip()) {
            conversations.entry(view.flow).or_default().push(view);
        } else if addresses.contains(&came.dst.ip()) {
            conversations.entry(came.reversed()).or_default().push(view);
        }
    }
    for flow in tracked.iter().flatten().filter(|flow| addresses.contains(&flow.src.ip())) {
        conversations.entry(*flow).or_default();
    }
    conversations
}

fn why(report: &Report, books: &Books, flow: Flow, found: &[FlowView]) -> Result<Why, BooksError> {
    let mut because = report.paused.clone();
    for v in found {
        because.push(match v.state {
            "fast" => format!(
                "{} goes from {} to {} by the bypass; {} packets so far",
                v.flow, v.from, v.to, v.packets
            ),
            "renewing" => format!("{} is known; its next packet takes the slow path and renews it", v.flow),
            _ => format!(
                "{} was seen at both ends, and waits for its other direction or for conntrack",
                v.flow
            ),
        });
    }
    // What was refused before it was accepted is no news. A rule may judge one direction only.
    let is_fast = |asked: &Flow| {
        found.iter().any(|v| v.state == "fast" && (v.flow == *asked || v.translated == Some(*asked)))
    };
    for asked in [flow, flow.reversed()].into_iter().filter(|asked| !is_fast(asked)) {
        if let Some(refusal) = books.refusal(asked)? {
            let ago = Duration::from_secs(report.jiffies().saturating_sub(refusal.at) / report.hertz.max(1));
            let more = judge_name(report, refusal.reason, refusal.detail);
            because.push(format!(
                "{asked} was refused {} ago because {}{more}",
                humantime::format_duration(ago),
                reason(refusal.reason).because
            ));
        }
    }
    if because.is_empty() {
        because.push(
            "no packet of it was seen to enter here by a pod or an uplink, or none yet left again".into(),
        );
    }
    Ok(Why { subject: flow.to_string(), accelerated: is_bypassed(report, found), because, forgoes: None })
}

/// Whether packets of a conversation are bypassed now, in one of its directions at least.
fn is_bypassed(report: &Report, found: &[FlowView]) -> bool {
    report.paused.is_empty() && found.iter().any(|v| v.state == "fast")
}

fn judge_name(report: &Report, number: u32, detail: u32) -> String {
    let judged = reason(number).name == "judged";
    let name = usize::try_from(detail).ok().and_then(|i| report.judges.get(i)).filter(|_| judged);
    name.map_or_else(String::new, |name| format!(": {name}"))
}

/// Why the pod behind that device is or is not accelerated; none if it is no pod's device.
#[must_use]
pub fn why_pod(report: &Report, device: &str) -> Option<Why> {
    let pod = report.pods.iter().find(|p| p.name == device)?;
    let because: Vec<_> = report.paused.iter().chain(&pod.out_because).cloned().collect();
    let accelerated = because.is_empty();
    let because = if accelerated { vec!["its established flows are bypassed".into()] } else { because };
    Some(Why { subject: device.into(), accelerated, because, forgoes: pod.forgoes.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(flow: &str, translated: Option<&str>) -> FlowView {
        FlowView {
            flow: flow.parse().unwrap(),
            translated: translated.map(|flow| flow.parse().unwrap()),
            from: "veth1".into(),
            to: "eth0".into(),
            action: "tunnel",
            vni: None,
            state: "fast",
            conntrack: true,
            age_ms: 0,
            lease_left_ms: 0,
            renewals: 0,
            packets: 0,
            bytes: 0,
        }
    }

    #[test]
    fn a_conversation_is_called_as_the_pod_sees_it_and_its_directions_belong_together() {
        let flows = vec![
            // To a service, and its answers.
            view("tcp:10.0.1.2:4000-10.96.0.1:80", Some("tcp:10.0.1.2:4000-10.0.2.2:8080")),
            view("tcp:10.0.2.2:8080-10.0.1.2:4000", Some("tcp:10.96.0.1:80-10.0.1.2:4000")),
            // Of another pod.
            view("tcp:10.0.1.3:4000-10.0.2.2:80", None),
            // Only its answers were seen.
            view("udp:10.0.2.2:53-10.0.1.2:5000", None),
        ];
        let pair = |a: &str, b: &str| [a.parse::<Flow>().unwrap(), b.parse().unwrap()];
        let tracked = [
            pair("tcp:10.0.1.2:4000-10.96.0.1:80", "tcp:10.0.2.2:8080-10.0.1.2:4000"),
            // The pod stands behind a service.
            pair("tcp:10.0.3.3:9-10.96.0.2:90", "tcp:10.0.1.2:9090-10.0.3.3:9"),
            pair("tcp:10.0.3.3:9-10.0.3.4:9", "tcp:10.0.3.4:9-10.0.3.3:9"),
        ];
        let found = conversations(flows, &["10.0.1.2".parse().unwrap()].into(), &tracked);
        let counts: Vec<_> = found.iter().map(|(flow, found)| (flow.to_string(), found.len())).collect();
        let expected = [
            ("tcp:10.0.1.2:4000-10.96.0.1:80", 2),
            ("tcp:10.0.1.2:9090-10.0.3.3:9", 0),
            ("udp:10.0.1.2:5000-10.0.2.2:53", 1),
        ];
        assert_eq!(counts, expected.map(|(flow, n)| (flow.to_owned(), n)));
    }
}
