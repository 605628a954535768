//! Where no device computes checksums for others, each one on the wire must be right as it stands there.

use std::time::Duration;

use super::rig::Rig;

/// Packets of a capture.
const PACKETS: usize = 3000;

#[test]
fn every_checksum_of_bulk_traffic_is_right_on_a_wire_without_offloads() {
    let rig = Rig::fast("noff", |spec| spec.offload = false, &[]);
    let talk = rig.talk(4900, 7900, 1 << 16, Duration::ZERO);
    // Each node's own direction: the other may be slow for what its uplink does not vouch for.
    let ways = [(1, talk.flow), (2, talk.flow.reversed())];
    ways.iter().for_each(|(node, flow)| rig.wait_fast(*node, *flow));
    let before = ways.map(|(node, flow)| rig.bypassed(node, flow));
    let file = rig.root().join("wire.pcap");
    rig.at("n2", &format!("tcpdump -Z root -i eth0 -c {PACKETS} -w {} udp port 8472", file.display()));
    let fast: Vec<_> =
        ways.iter().zip(before).map(|((n, flow), then)| rig.bypassed(*n, *flow) - then).collect();
    talk.finish();
    eprintln!("measured: {fast:?} packets were fast while {PACKETS} were captured");
    assert!(fast.iter().all(|n| *n > 500), "{fast:?}");

    // tcpdump looks into a tunnel if told to, and otherwise at the checksum outside it.
    let read = |how: &str| rig.at("n2", &format!("tcpdump -Z root -vvn {how} -r {}", file.display()));
    let (inner, outer) = (read("-T vxlan"), read(""));
    let wrong =
        |line: &&str| ["bad udp cksum", "bad cksum", "incorrect"].iter().any(|what| line.contains(what));
    assert_eq!(inner.lines().chain(outer.lines()).find(wrong), None);
    let with = |seen: &str, what: &str| seen.lines().filter(|line| line.contains(what)).count();
    assert_eq!(with(&inner, "VXLAN, flags [I]"), PACKETS);
    assert_eq!(with(&inner, "(correct)"), PACKETS);
    assert_eq!(
        with(&outer, "[udp sum ok]"),
        PACKETS,
        "the tunnel device writes them, and so must the bypass"
    );
}
