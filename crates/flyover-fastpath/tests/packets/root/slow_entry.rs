//! Packets that would be for the bypass, but whose entry is not there, not theirs, or does not hold now.

use std::thread::sleep;
use std::time::Duration;

use crate::case::{Case, Dev, Hop, Road, usual};
use crate::lane::Lane;
use crate::packet::L4;

/// Both directions of a conversation through a tunnel.
fn hops(case: &Case) -> [Hop; 2] {
    [case.request(), case.reply()]
}

/// Expects packets of both directions to be slow for this reason after a change to their entries.
fn both_slow_after(change: impl Fn(&mut Lane, &Hop), reason: &'static str) {
    let mut lane = Lane::knows(&usual());
    for hop in hops(&usual()) {
        change(&mut lane, &hop);
        lane.send(&hop, &hop.enters).is_slow(&hop.enters.bytes(), reason);
    }
}

#[test]
fn a_flow_that_was_never_seen_is_slow() {
    let mut lane = Lane::new();
    for hop in hops(&usual()) {
        lane.send(&hop, &hop.enters).is_slow(&hop.enters.bytes(), "no_entry");
    }
    // Plain packets from the wire are nobody's business until a pod sends such.
    let routed = usual().with(|c| c.road = Road::Routed).reply();
    let out = lane.send(&routed, &routed.enters);
    out.is_untouched(&routed.enters.bytes());
    assert!(out.counted.is_empty(), "{out:?}");
    lane.programs.set_tunnels(&[]);
    let reply = usual().reply();
    lane.send(&reply, &reply.enters).is_untouched(&reply.enters.bytes());
}

#[test]
fn an_entry_is_for_one_flow_only() {
    let lane = Lane::knows(&usual());
    for hop in hops(&usual()) {
        let others = [
            hop.enters.with(|p| p.ip.src = "10.9.9.9".parse().unwrap()),
            hop.enters.with(|p| p.ip.dst = "10.9.9.9".parse().unwrap()),
            hop.enters.with(|p| p.l4 = L4::Tcp { sport: 1, dport: 2, seq: 3, flags: 0x10 }),
            hop.enters.with(|p| p.ip.tos = 0x28),
            hop.enters.with(|p| p.ip.df = false),
        ];
        for sent in others {
            lane.send(&hop, &sent).is_slow(&sent.bytes(), "no_entry");
        }
    }
}

#[test]
fn an_entry_is_for_one_device_only() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    let sent = request.enters.bytes();
    lane.run((request.from.0, Dev::OtherPod), &sent).is_slow(&sent, "no_entry");
}

#[test]
fn a_packet_with_other_ethernet_addresses_is_slow() {
    for spoil in [0, 5, 6, 11] {
        let lane = Lane::knows(&usual());
        for hop in hops(&usual()) {
            let at = hop.enters.l3() - 14 + spoil;
            let sent = hop.enters.bytes_but(|b| b[at] ^= 0x10);
            lane.run(hop.from, &sent).is_slow(&sent, "ethernet");
        }
    }
}

#[test]
fn an_entry_that_is_not_open_is_slow() {
    both_slow_after(|lane, hop| lane.change(hop, |way| way.open = 0), "not_open");
}

#[test]
fn an_entry_whose_lease_is_over_is_slow() {
    both_slow_after(|lane, hop| lane.change(hop, |way| way.lease = 1), "lease");
}

#[test]
fn an_element_that_is_written_meanwhile_is_no_entry() {
    both_slow_after(|lane, hop| lane.change(hop, |way| way.guard |= 1), "no_entry");
}

#[test]
fn an_entry_of_another_epoch_is_slow() {
    let mut lane = Lane::knows(&usual());
    lane.programs.revoke();
    for hop in hops(&usual()) {
        lane.send(&hop, &hop.enters).is_slow(&hop.enters.bytes(), "epoch");
    }
}

#[test]
fn every_packet_is_slow_when_the_heart_does_not_beat() {
    let mut lane = Lane::knows(&usual());
    lane.programs.beat(Duration::ZERO).unwrap();
    sleep(Duration::from_millis(30));
    for hop in hops(&usual()) {
        lane.send(&hop, &hop.enters).is_slow(&hop.enters.bytes(), "deadman");
    }
    lane.programs.beat(Duration::from_mins(1)).unwrap();
    for hop in hops(&usual()) {
        assert!(lane.send(&hop, &hop.enters).counted.is_empty());
    }
}

#[test]
fn a_short_lease_ends_by_itself_and_the_next_packet_renews_it() {
    let (mut lane, request) = (Lane::new(), usual().request());
    lane.programs.set_lease(Duration::from_millis(200));
    lane.learn(&usual());
    sleep(Duration::from_millis(230));
    lane.send(&request, &request.enters).is_slow(&request.enters.bytes(), "lease");
    for _ in 0..10 {
        lane.teach(&request);
    }
    assert!(lane.entry(&request).unwrap().way.renewals > 0);
}
