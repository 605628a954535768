//! When an entry appears, when it opens, and when it goes: told by packets at both ends of their slow way.

use std::thread::sleep;
use std::time::Duration;

use flyover_core::Flow;

use crate::case::{Case, Hop, Road, Tunnel, plain_vxlan, usual};
use crate::lane::{Lane, Verdict};
use crate::packet::{L4, Packet};

fn udp() -> Case {
    usual().with(|c| c.tcp = false)
}

fn flagged(hop: &Hop, flags: u8) -> Hop {
    let flag = |packet: &Packet| {
        packet.with(|p| {
            if let L4::Tcp { flags: f, .. } = &mut p.l4 {
                *f = flags;
            }
        })
    };
    Hop { enters: flag(&hop.enters), leaves: flag(&hop.leaves), ..hop.clone() }
}

/// Shows the packet often enough that a lane which could learn it would have.
fn teach_well(lane: &Lane, hop: &Hop) {
    for _ in 0..5 {
        lane.teach(hop);
    }
}

#[test]
fn an_entry_appears_only_when_a_packet_was_seen_at_both_ends() {
    let (lane, request) = (Lane::new(), usual().request());
    lane.run(request.to, &request.leaves.bytes()).is_untouched(&request.leaves.bytes());
    assert!(lane.entries().is_empty(), "its exit alone teaches nothing");
    lane.send(&request, &request.enters).is_slow(&request.enters.bytes(), "no_entry");
    assert!(lane.entries().is_empty(), "its entry alone teaches nothing");
    lane.learn_one(&request);
}

#[test]
fn an_entry_opens_only_when_the_other_direction_was_seen_too() {
    for road in [Road::Tunnel(plain_vxlan()), Road::SameNode] {
        let case = usual().with(|c| c.road = road);
        let (lane, request, reply) = (Lane::new(), case.request(), case.reply());
        lane.learn_one(&request);
        assert!(!lane.is_open(&request));
        assert_eq!(lane.refusal(&request), Some(("one_way", 0)));
        lane.send(&request, &request.enters).is_slow(&request.enters.bytes(), "not_open");
        lane.learn_one(&reply);
        assert!(lane.is_open(&request) && lane.is_open(&reply));
    }
}

#[test]
fn a_flow_that_begins_at_the_other_end_is_learnt_as_well() {
    let (lane, request, reply) = (Lane::new(), usual().request(), usual().reply());
    lane.learn_one(&reply);
    assert!(!lane.is_open(&reply));
    lane.learn_one(&request);
    assert!(lane.is_open(&request) && lane.is_open(&reply));
}

#[test]
fn the_packets_of_a_handshake_teach_so_that_the_first_data_packet_is_fast() {
    let (lane, request, reply) = (Lane::new(), usual().request(), usual().reply());
    lane.teach(&flagged(&request, 0x02));
    assert!(lane.entry(&request).is_none(), "the third packet tells as much, and is learnt in time");
    lane.learn_one(&flagged(&reply, 0x12));
    lane.learn_one(&flagged(&request, 0x10));
    assert_eq!(lane.send(&request, &request.enters).verdict, Verdict::Sent);
    assert_eq!(lane.send(&reply, &reply.enters).verdict, Verdict::Sent);
}

type Change = fn(&mut Packet);

#[test]
fn a_packet_that_leaves_as_another_teaches_nothing() {
    let changes: &[(&str, Change)] = &[
        ("identification", |p| p.ip.id += 1),
        ("sequence number", |p| p.l4 = L4::Tcp { sport: 40000, dport: 8080, seq: 1_000_001, flags: 0x10 }),
        ("DSCP", |p| p.ip.tos = 0x20),
        ("ECN", |p| p.ip.tos = 1),
        ("don't fragment", |p| p.ip.df = false),
        ("TTL rose", |p| p.ip.ttl = 65),
        ("TTL fell by five", |p| p.ip.ttl = 59),
    ];
    for (what, change) in changes {
        println!("{what}");
        let lane = Lane::new();
        for hop in [usual().request(), usual().reply()] {
            let start = hop.leaves.ip.ttl;
            let changed = hop.leaves.with(|p| {
                change(p);
                // The reply comes with a TTL that is one lower.
                p.ip.ttl = p.ip.ttl.wrapping_sub(63 - start);
                p.l4 = if hop.from == usual().reply().from && *what == "sequence number" {
                    L4::Tcp { sport: 8080, dport: 40000, seq: 1, flags: 0x10 }
                } else {
                    p.l4
                };
            });
            teach_well(&lane, &Hop { leaves: changed, ..hop });
        }
        assert!(lane.entries().is_empty(), "{:?}", lane.entries());
    }
}

#[test]
fn a_datagram_that_begins_otherwise_teaches_nothing() {
    let (lane, request) = (Lane::new(), udp().request());
    let leaves = request.leaves.with(|p| p.payload = b"not a question".to_vec());
    teach_well(&lane, &Hop { leaves, ..request });
    assert!(lane.entries().is_empty());
}

#[test]
fn the_last_packets_of_a_connection_teach_nothing() {
    for flags in [0x11, 0x04, 0x14] {
        let lane = Lane::new();
        teach_well(&lane, &flagged(&usual().request(), flags));
        teach_well(&lane, &flagged(&usual().reply(), flags));
        assert!(lane.entries().is_empty());
    }
}

#[test]
fn a_note_that_is_too_old_teaches_nothing() {
    let (lane, request) = (Lane::new(), usual().request());
    lane.send(&request, &request.enters);
    sleep(Duration::from_millis(200));
    lane.run(request.to, &request.leaves.bytes());
    assert!(lane.entries().is_empty());
}

#[test]
fn a_change_announced_while_a_packet_is_on_its_way_makes_it_teach_nothing_that_holds() {
    let (mut lane, request) = (Lane::knows(&usual()), usual().request());
    lane.send(&request, &request.enters);
    lane.programs.revoke();
    lane.send(&request, &request.enters).is_slow(&request.enters.bytes(), "epoch");
    lane.learn_one(&request);
}

#[test]
fn a_packet_that_passes_the_node_from_wire_to_wire_teaches_nothing() {
    let case = usual().with(|c| c.road = Road::Routed);
    let (lane, request, reply) = (Lane::knows(&case), case.request(), case.reply());
    let known = lane.entries().len();
    let through = Hop {
        enters: reply.enters.with(|p| p.ip.dst = "10.244.3.3".parse().unwrap()),
        to: request.to,
        leaves: request.leaves.with(|p| {
            (p.ip, p.l4, p.payload) = (reply.enters.ip, reply.enters.l4, reply.enters.payload.clone());
            (p.ip.dst, p.ip.ttl) = ("10.244.3.3".parse().unwrap(), 62);
        }),
        ..reply
    };
    teach_well(&lane, &through);
    assert_eq!(lane.entries().len(), known);
}

#[test]
fn nothing_is_learnt_while_paused() {
    let mut lane = Lane::new();
    lane.programs.set_paused(true);
    teach_well(&lane, &usual().request());
    teach_well(&lane, &usual().reply());
    assert!(lane.entries().is_empty());
    lane.programs.set_paused(false);
    lane.learn(&usual());
}

#[test]
fn geneve_options_of_the_last_packet_that_was_learnt_are_the_ones_sent() {
    let by = |options: &[u8]| {
        let geneve = Some(options.to_vec());
        usual().with(|c| c.road = Road::Tunnel(Tunnel { geneve, ..plain_vxlan() }))
    };
    let (old, new) = (by(&[1, 2, 3, 1, 7, 7, 7, 7]), by(&[1, 2, 3, 2, 8, 8, 8, 8, 9, 9, 9, 9]));
    let mut lane = Lane::knows(&old);
    let request = old.request();
    lane.send(&request, &request.enters).is_sent(&request, &request.enters);
    lane.programs.revoke();
    let renewals = lane.entry(&request).unwrap().way.renewals;
    for _ in 0..10 {
        teach_well(&lane, &new.request());
    }
    assert!(lane.entry(&request).unwrap().way.renewals > renewals);
    lane.send(&request, &request.enters).is_sent(&new.request(), &request.enters);
}

fn tuples(lane: &Lane) -> Vec<Option<Flow>> {
    lane.entries().iter().map(flyover_fastpath::FlowEntry::flow).collect()
}

#[test]
fn an_entry_goes_with_the_connection_and_what_it_saved_is_kept() {
    for flags in [0x02, 0x11, 0x14] {
        let (lane, request, reply) = (Lane::knows(&usual()), usual().request(), usual().reply());
        for hop in [&request, &reply] {
            lane.send(hop, &hop.enters);
            let saved = lane.entry(hop).unwrap().way.packets;
            lane.run(hop.from, &flagged(hop, flags).enters.bytes());
            assert!(!tuples(&lane).contains(&Some(hop.flow())), "{flags:#x}");
            let retired = lane.books().retired().unwrap();
            let of_device = retired.iter().find(|(dev, _)| *dev == lane.device(hop.from.1));
            assert_eq!(of_device.map_or(0, |(_, sum)| sum.packets), saved);
        }
    }
}

#[test]
fn a_new_connection_does_not_open_on_what_an_old_one_proved() {
    let (lane, request, reply) = (Lane::knows(&usual()), usual().request(), usual().reply());
    for hop in [&request, &reply] {
        lane.run(hop.from, &flagged(hop, 0x11).enters.bytes());
    }
    lane.teach(&flagged(&request, 0x02));
    lane.learn_one(&flagged(&request, 0x10));
    assert!(!lane.is_open(&request), "the other direction was another connection's");
}
