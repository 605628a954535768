//! The outer checksum of packets that arrive: only one that holds may pass by.

use flyover_fastpath::Place;

use crate::case::{Case, Road, Tunnel, plain_vxlan, usual};
use crate::lane::Lane;
use crate::packet::ETH;

fn summed(v6: bool) -> Case {
    usual().with(|c| c.road = Road::Tunnel(Tunnel { v6, summed: true, ..plain_vxlan() }))
}

const SUMMED: Place = Place { ifindex: 0, gso_size: 0, summed: true };

/// Whether the device summed the packet, or nobody did.
const ASKED: [Place; 2] = [SUMMED, Place { summed: false, ..SUMMED }];

#[test]
fn an_outer_checksum_is_looked_at_whoever_summed_the_packet() {
    for v6 in [false, true] {
        let (lane, reply) = (Lane::knows(&summed(v6)), summed(v6).reply());
        // Pieces of 512 bytes are summed, and words of four.
        for len in [0_usize, 1, 2, 3, 4, 5, 435, 436, 437, 438, 947, 948, 1300, 1370] {
            let sent = reply.enters.with(|p| p.payload = (1..=u8::MAX).cycle().take(len).collect());
            for place in ASKED {
                lane.run_at(reply.from, &sent.bytes(), place).is_sent(&reply, &sent);
            }
        }
    }
}

#[test]
fn an_outer_checksum_that_does_not_hold_is_left_to_the_kernel_to_drop() {
    for v6 in [false, true] {
        let (lane, reply) = (Lane::knows(&summed(v6)), summed(v6).reply());
        let (udp, last) = (ETH + if v6 { 40 } else { 20 }, reply.enters.bytes().len() - 1);
        for (at, place) in [udp + 7, last].into_iter().flat_map(|at| ASKED.map(|place| (at, place))) {
            let sent = reply.enters.bytes_but(|b| b[at] ^= 1);
            lane.run_at(reply.from, &sent, place).is_slow(&sent, "outer_checksum");
        }
    }
}

#[test]
fn a_checksum_where_none_was_is_checked_all_the_same() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    let sent = reply.enters.with(|p| p.outer.as_mut().unwrap().summed = true);
    for place in ASKED {
        lane.run_at(reply.from, &sent.bytes(), place).is_sent(&reply, &sent);
        let wrong = sent.bytes_but(|b| b[ETH + 20 + 7] ^= 1);
        lane.run_at(reply.from, &wrong, place).is_slow(&wrong, "outer_checksum");
    }
}
