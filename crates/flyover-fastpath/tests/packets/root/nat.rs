//! Flows the node translates: a service's address becomes a back end's, and a pod's the node's.

use flyover_fastpath::Place;

use super::fast::{all_are_sent, conversations, unsummed};
use crate::case::{Case, Hop, Nat, Road, Tunnel, plain_vxlan};
use crate::lane::Lane;
use crate::packet::{L4, Packet};

/// A lane where conntrack translates these conversations, and which knows them.
fn knows_tracked(cases: &[Case]) -> Lane {
    let mut lane = Lane::new();
    for case in cases {
        lane.track(case);
        lane.learn(case);
    }
    lane
}

fn translated(road: Road, nat: Nat) -> (Vec<Case>, Lane) {
    let cases: Vec<_> = conversations(&road).iter().map(|c| c.with(|c| c.nat = nat)).collect();
    let lane = knows_tracked(&cases);
    (cases, lane)
}

fn are_sent_by(road: &Road) {
    for nat in [Nat::Service, Nat::Masquerade] {
        let (cases, lane) = translated(road.clone(), nat);
        for case in &cases {
            all_are_sent(&lane, case);
        }
    }
}

#[test]
fn a_service_behind_a_tunnel_is_translated() {
    are_sent_by(&Road::Tunnel(plain_vxlan()));
}

#[test]
fn a_service_behind_a_tunnel_with_checksums_is_translated() {
    are_sent_by(&Road::Tunnel(Tunnel { summed: true, ..plain_vxlan() }));
    are_sent_by(&Road::Tunnel(Tunnel { summed: true, v6: true, ..plain_vxlan() }));
}

#[test]
fn a_service_behind_a_route_is_translated() {
    are_sent_by(&Road::Routed);
}

#[test]
fn a_service_on_the_same_node_is_translated() {
    are_sent_by(&Road::SameNode);
}

#[test]
fn a_translated_datagram_without_checksum_keeps_none() {
    let (cases, lane) = translated(Road::Tunnel(plain_vxlan()), Nat::Service);
    for case in cases.iter().filter(|c| !c.tcp) {
        for hop in [case.request(), case.reply()] {
            let sent = hop.enters.with(|p| p.l4 = unsummed(p.l4));
            lane.send(&hop, &sent).is_sent(&hop, &sent);
        }
    }
}

/// The transport checksum of a packet's inner datagram.
fn inner_sum(packet: &Packet) -> u16 {
    let bytes = packet.bytes();
    let at = packet.l4() + if matches!(packet.l4, L4::Tcp { .. }) { 16 } else { 6 };
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A packet of the flow whose checksum, before or after the hop, is the one wanted.
fn with_sum(hop: &Hop, wanted: u16, after: bool) -> Packet {
    let payloads = (0..=u16::MAX).map(|word| word.to_be_bytes().to_vec());
    let packets = payloads.map(|payload| hop.enters.with(|p| p.payload = payload));
    let has = |p: &Packet| inner_sum(&if after { hop.after(p, 0) } else { p.clone() }) == wanted;
    packets.into_iter().find(has).expect("one of all words makes every sum")
}

#[test]
fn a_datagram_whose_new_checksum_is_nought_says_all_ones() {
    for (cases, lane) in [Nat::Service, Nat::Masquerade].map(|n| translated(Road::Tunnel(plain_vxlan()), n)) {
        for case in cases.iter().filter(|c| !c.tcp) {
            for hop in [case.request(), case.reply()] {
                for after in [false, true] {
                    let sent = with_sum(&hop, 0xffff, after);
                    lane.send(&hop, &sent).is_sent(&hop, &sent);
                }
            }
        }
    }
}

#[test]
fn what_a_device_summed_stays_right_when_it_is_translated() {
    let tunnel = Road::Tunnel(Tunnel { summed: true, ..plain_vxlan() });
    for road in [tunnel, Road::Routed] {
        let (cases, lane) = translated(road, Nat::Masquerade);
        for reply in cases.iter().map(Case::reply) {
            let summed = Place { summed: true, ..Place::default() };
            let out = lane.run_at(reply.from, &reply.enters.bytes(), summed);
            out.is_sent(&reply, &reply.enters);
        }
    }
}
