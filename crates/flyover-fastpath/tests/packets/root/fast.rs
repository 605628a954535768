//! Packets that are sent past the stack, byte for byte as the slow path would have sent them.

use flyover_fastpath::Place;

use crate::case::{Case, Hop, Nat, Road, Tunnel, plain_vxlan, usual};
use crate::lane::{Lane, Out};
use crate::packet::{ETH, L4, Packet};
use crate::sum;

/// TCP and UDP, over IPv4 and IPv6, by one road.
pub(crate) fn conversations(road: &Road) -> Vec<Case> {
    let kinds = [(false, false), (false, true), (true, false), (true, true)];
    kinds.map(|(v6, tcp)| Case { v6, tcp, road: road.clone(), nat: Nat::None }).to_vec()
}

/// A lane that knows all of them.
pub(crate) fn knows_all(cases: &[Case]) -> Lane {
    let lane = Lane::new();
    cases.iter().for_each(|case| lane.learn(case));
    lane
}

fn options(len: u8) -> Option<Vec<u8>> {
    let header = [0x01, 0x02, 0x03, (len.max(4) - 4) / 4];
    Some([&header[..], &(4..len).collect::<Vec<_>>()].concat()[..usize::from(len)].to_vec())
}

/// Packets of a flow that differ in what may differ.
fn variants(packet: &Packet) -> Vec<Packet> {
    let mut all = vec![packet.clone()];
    all.extend((0..4).map(|ecn| packet.with(|p| p.ip.tos = ecn)));
    all.extend([3, 64, 255].map(|ttl| packet.with(|p| p.ip.ttl = ttl)));
    all.extend([0, 1, 2, 3, 1000, 1001].map(|len| packet.with(|p| p.payload = vec![0xff; len])));
    all.push(packet.with(|p| p.ip.id = 0xffff));
    all
}

/// Sends all variants both ways, and expects each as the slow path would have sent it.
pub(crate) fn all_are_sent(lane: &Lane, case: &Case) {
    for hop in [case.request(), case.reply()] {
        for sent in variants(&hop.enters) {
            lane.send(&hop, &sent).is_sent(&hop, &sent);
        }
    }
}

fn by_tunnel(tunnel: Tunnel) {
    let cases = conversations(&Road::Tunnel(tunnel));
    let lane = knows_all(&cases);
    for case in &cases {
        all_are_sent(&lane, case);
    }
}

#[test]
fn vxlan_over_ipv4_is_put_on_and_taken_off() {
    by_tunnel(plain_vxlan());
}

#[test]
fn vxlan_over_ipv4_with_outer_checksums_is_put_on_and_taken_off() {
    by_tunnel(Tunnel { summed: true, ..plain_vxlan() });
}

#[test]
fn vxlan_over_ipv6_is_put_on_and_taken_off() {
    by_tunnel(Tunnel { v6: true, summed: true, ..plain_vxlan() });
}

#[test]
fn geneve_without_options_is_put_on_and_taken_off() {
    by_tunnel(Tunnel { geneve: options(0), ..plain_vxlan() });
    by_tunnel(Tunnel { geneve: options(0), v6: true, summed: true, ..plain_vxlan() });
}

#[test]
fn geneve_with_options_of_8_to_64_bytes_is_put_on_and_taken_off() {
    for len in [8, 12, 36, 64] {
        by_tunnel(Tunnel { geneve: options(len), summed: len != 12, ..plain_vxlan() });
    }
    by_tunnel(Tunnel { geneve: options(64), v6: true, summed: true, ..plain_vxlan() });
}

#[test]
fn a_tunnel_over_ipv6_without_checksums_is_put_on_but_left_to_the_kernel_to_take_off() {
    let cases = conversations(&Road::Tunnel(Tunnel { v6: true, ..plain_vxlan() }));
    let lane = knows_all(&cases);
    for case in cases {
        let (request, reply) = (case.request(), case.reply());
        lane.send(&request, &request.enters).is_sent(&request, &request.enters);
        lane.send(&reply, &reply.enters).is_slow(&reply.enters.bytes(), "outer_checksum");
    }
}

#[test]
fn a_pod_on_the_same_node_gets_packets_without_a_detour() {
    let cases = conversations(&Road::SameNode);
    let lane = knows_all(&cases);
    cases.iter().for_each(|case| all_are_sent(&lane, case));
}

#[test]
fn what_a_card_added_to_a_short_frame_is_taken_off() {
    let case = usual().with(|c| c.road = Road::Routed);
    let (lane, reply) = (Lane::knows(&case), case.reply());
    let short = reply.enters.with(|p| p.payload.clear());
    let mut padded = short.bytes();
    padded.resize(60, 0);
    assert!(short.bytes().len() < padded.len());
    for summed in [false, true] {
        let place = Place { summed, ..Place::default() };
        lane.run_at(reply.from, &padded, place).is_sent(&reply, &short);
    }
    // More than a card would add is not padding.
    padded.resize(61, 0);
    lane.run(reply.from, &padded).is_slow(&padded, "malformed");
}

#[test]
fn a_routed_packet_gets_new_ethernet_addresses_and_no_tunnel() {
    let cases = conversations(&Road::Routed);
    let lane = knows_all(&cases);
    cases.iter().for_each(|case| all_are_sent(&lane, case));
}

#[test]
fn a_datagram_without_checksum_keeps_none() {
    let cases = conversations(&Road::Tunnel(plain_vxlan()));
    let cases: Vec<_> = cases.into_iter().filter(|c| !c.tcp).collect();
    let lane = knows_all(&cases);
    for case in cases {
        for hop in [case.request(), case.reply()] {
            let sent = hop.enters.with(|p| p.l4 = unsummed(p.l4));
            lane.send(&hop, &sent).is_sent(&hop, &sent);
        }
    }
}

pub(crate) fn unsummed(l4: L4) -> L4 {
    match l4 {
        L4::Udp { sport, dport, .. } => L4::Udp { sport, dport, summed: false },
        tcp @ L4::Tcp { .. } => tcp,
    }
}

/// The UDP datagram in the outer IP packet, and whether its checksum holds over every byte of it.
fn outer_checksum(out: &Out, hop: &Hop) -> (u16, bool) {
    let outer = hop.leaves.outer.as_ref().expect("it leaves in a tunnel");
    let datagram = &out.bytes[ETH + outer.ip.header_len()..];
    let field = u16::from_be_bytes([datagram[6], datagram[7]]);
    (field, sum::holds(outer.ip.src, outer.ip.dst, 17, datagram))
}

#[test]
fn the_outer_checksum_is_computed_over_the_whole_datagram_or_not_at_all() {
    for v6 in [false, true] {
        let summed = Tunnel { v6, summed: true, ..plain_vxlan() };
        for tunnel in [summed.clone(), Tunnel { summed: false, ..summed }] {
            let cases = conversations(&Road::Tunnel(tunnel.clone()));
            let lane = knows_all(&cases);
            for hop in cases.iter().map(Case::request) {
                let sent = hop.enters.with(|p| p.payload = (0..=250).collect());
                let (field, holds) = outer_checksum(&lane.send(&hop, &sent), &hop);
                assert_eq!((field != 0, holds || !tunnel.summed), (tunnel.summed, true), "{hop:?}");
            }
        }
    }
}

#[test]
fn an_outer_header_keeps_the_dscp_it_was_seen_with() {
    let lane = Lane::new();
    let case = usual();
    let marked = |mut hop: Hop| {
        hop.enters.ip.tos = 0xb8;
        hop.leaves.ip.tos = 0xb8;
        if let Some(outer) = &mut hop.leaves.outer {
            outer.ip.tos = 0xb8;
        }
        hop
    };
    let (request, reply) = (marked(case.request()), marked(case.reply()));
    for _ in 0..5 {
        lane.teach(&request);
        lane.teach(&reply);
    }
    for ecn in 0..4 {
        let sent = request.enters.with(|p| p.ip.tos |= ecn);
        lane.send(&request, &sent).is_sent(&request, &sent);
    }
}

#[test]
fn what_a_device_summed_stays_right_when_a_tunnel_is_taken_off() {
    let over = |v6| Road::Tunnel(Tunnel { v6, summed: true, ..plain_vxlan() });
    for road in [over(false), over(true), Road::Routed] {
        let cases = conversations(&road);
        let lane = knows_all(&cases);
        for reply in cases.iter().map(Case::reply) {
            let summed = Place { summed: true, ..Place::default() };
            let out = lane.run_at(reply.from, &reply.enters.bytes(), summed);
            out.is_sent(&reply, &reply.enters);
        }
    }
}

#[test]
fn packets_and_bytes_are_booked_on_the_entry() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    let before = lane.entry(&request).unwrap().way;
    for _ in 0..3 {
        lane.send(&request, &request.enters);
    }
    let after = lane.entry(&request).unwrap().way;
    let len = u64::try_from(request.enters.bytes().len()).unwrap();
    assert_eq!((after.packets - before.packets, after.bytes - before.bytes), (3, 3 * len));
}
