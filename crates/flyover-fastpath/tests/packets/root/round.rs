//! Any packet, through both nodes: what the sender's programs put on, the receiver's take off.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use flyover_fastpath::{Hook, Place};

use super::fast::{conversations, knows_all};
use crate::case::{BRIDGE_MAC, Case, Dev, Hop, NODE_MAC, OTHER_POD_MAC, PEER_MAC, Road, Tunnel};
use crate::lane::{Lane, Verdict};
use crate::packet::{Eth, L4, Packet};

/// What may differ between packets of one flow.
#[derive(Clone, Debug)]
struct Variant {
    case: usize,
    payload: Vec<u8>,
    ttl: u8,
    ecn: u8,
    id: u16,
    seq: u32,
    flags: u8,
    summed: bool,
}

fn variants(cases: usize) -> impl Strategy<Value = Variant> {
    let payload = prop::collection::vec(any::<u8>(), 0..1300);
    // Acknowledged, and neither first nor last: the rest of the flags may be what they like.
    let flags = any::<u8>().prop_map(|f| f & 0xf8 | 0x10);
    (0..cases, payload, 5_u8.., 0..4_u8, any::<u16>(), any::<u32>(), flags, any::<bool>()).prop_map(
        |(case, payload, ttl, ecn, id, seq, flags, summed)| Variant {
            case,
            payload,
            ttl,
            ecn,
            id,
            seq,
            flags,
            summed,
        },
    )
}

impl Variant {
    fn of(&self, packet: &Packet, tunnel: &Tunnel) -> Packet {
        packet.with(|p| {
            p.payload.clone_from(&self.payload);
            (p.ip.ttl, p.ip.tos, p.ip.id) = (self.ttl, self.ecn, self.id);
            p.l4 = match p.l4 {
                L4::Tcp { sport, dport, .. } => L4::Tcp { sport, dport, seq: self.seq, flags: self.flags },
                L4::Udp { sport, dport, .. } => {
                    L4::Udp { sport, dport, summed: self.summed || tunnel.summed || p.ip.src.is_ipv6() }
                }
            };
        })
    }
}

/// The conversation as the other node sees it, on the same lane: what arrives, and what its pod answers.
fn at_peer(case: &Case) -> [Hop; 2] {
    let (request, reply) = (case.request(), case.reply());
    let arrives = Hop {
        from: (Hook::FromWire, Dev::Uplink),
        enters: request.leaves.with(|p| p.outer.as_mut().expect("a tunnel").eth.dst = NODE_MAC),
        to: (Hook::ToPod, Dev::OtherPod),
        leaves: request.leaves.with(|p| {
            (p.outer, p.ip.ttl) = (None, 62);
            p.eth = Eth { dst: OTHER_POD_MAC, src: BRIDGE_MAC };
        }),
    };
    let answers = Hop {
        from: (Hook::FromPod, Dev::OtherPod),
        enters: reply.enters.with(|p| {
            (p.outer, p.ip.ttl) = (None, 64);
            p.eth = Eth { dst: BRIDGE_MAC, src: OTHER_POD_MAC };
        }),
        to: (Hook::ToWire, Dev::Uplink),
        leaves: reply.enters.with(|p| p.outer.as_mut().expect("a tunnel").eth.dst = PEER_MAC),
    };
    [arrives, answers]
}

/// Sends it out, lets it arrive at the other node, and expects it there as it was but for two hops and Ethernet.
fn goes_round(lane: &Lane, case: &Case, tunnel: &Tunnel, variant: &Variant) {
    let (request, [arrives, _]) = (case.request(), at_peer(case));
    let sent = variant.of(&request.enters, tunnel);
    let mut out = lane.send(&request, &sent);
    out.is_sent(&request, &sent);
    out.bytes[..6].copy_from_slice(&NODE_MAC);
    let vouched = Place { summed: true, ..Place::default() };
    let arrived = lane.run_at(arrives.from, &out.bytes, vouched);
    let expected = sent.with(|p| (p.eth, p.ip.ttl) = (arrives.leaves.eth, sent.ip.ttl - 2));
    assert_eq!((arrived.verdict, arrived.bytes), (Verdict::Sent, expected.bytes()));
}

/// Lets the lane see the conversation from the other node too.
fn learn_at_peer(lane: &Lane, case: &Case) {
    let hops = at_peer(case);
    while !hops.iter().all(|hop| lane.is_open(hop)) {
        hops.iter().for_each(|hop| lane.teach(hop));
    }
}

fn tunnels() -> [Tunnel; 3] {
    let options = vec![1, 2, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    [
        Tunnel { v6: false, vni: 1, summed: false, geneve: None },
        Tunnel { v6: true, vni: 1, summed: true, geneve: None },
        Tunnel { v6: false, vni: 1, summed: true, geneve: Some(options) },
    ]
}

#[test]
fn any_packet_of_a_flow_is_put_on_and_taken_off_as_the_slow_path_would() {
    for tunnel in tunnels() {
        let cases = conversations(&Road::Tunnel(tunnel.clone()));
        let lane = knows_all(&cases);
        cases.iter().for_each(|case| learn_at_peer(&lane, case));
        let mut runner =
            TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
        let run = runner.run(&variants(cases.len()), |variant| {
            goes_round(&lane, &cases[variant.case], &tunnel, &variant);
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{tunnel:?}: {error}"));
    }
}
