//! The outer checksum of packets that arrive: only one that holds may pass by.

use flyover_fastpath::Place;

use crate::case::{Case, Road, Tunnel, plain_vxlan, usual};
use crate::lane::Lane;
use crate::packet::ETH;

fn summed(v6: bool) -> Case {
    usual().with(|c| c.road = Road::Tunnel(Tunnel { v6, summed: true, ..plain_vxlan() }))
}

const SUMMED: Place = Place { ifindex: 0, gso_size: 0, summed: true };

#[test]
fn an_outer_checksum_nobody_looked_at_is_left_to_the_kernel() {
    for v6 in [false, true] {
        let (lane, reply) = (Lane::knows(&summed(v6)), summed(v6).reply());
        let sent = reply.enters.bytes();
        lane.run_at(reply.from, &sent, Place::default()).is_slow(&sent, "outer_checksum");
        lane.run_at(reply.from, &sent, SUMMED).is_sent(&reply, &reply.enters);
    }
}

#[test]
fn an_outer_checksum_that_does_not_hold_is_left_to_the_kernel_to_drop() {
    for v6 in [false, true] {
        let (lane, reply) = (Lane::knows(&summed(v6)), summed(v6).reply());
        let udp = ETH + if v6 { 40 } else { 20 };
        let sent = reply.enters.bytes_but(|b| b[udp + 7] ^= 1);
        lane.run_at(reply.from, &sent, SUMMED).is_slow(&sent, "outer_checksum");
    }
}

#[test]
fn a_checksum_where_none_was_is_checked_all_the_same() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    let sent = reply.enters.with(|p| p.outer.as_mut().unwrap().summed = true);
    lane.run_at(reply.from, &sent.bytes(), Place::default()).is_slow(&sent.bytes(), "outer_checksum");
    lane.run_at(reply.from, &sent.bytes(), SUMMED).is_sent(&reply, &sent);
}
