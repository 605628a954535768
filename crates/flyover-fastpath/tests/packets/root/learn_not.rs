//! Flows that are refused: by conntrack, by a rule that judges packet by packet, or for the network they are of.

use flyover_net::analysis::Selector;
use flyover_net::ruleset::Prefix;

use crate::case::{Case, Dev, Hop, Nat, Road, Tunnel, plain_vxlan, usual};
use crate::lane::{Lane, Verdict};

fn teach_well(lane: &Lane, case: &Case) {
    for _ in 0..5 {
        lane.teach(&case.request());
        lane.teach(&case.reply());
    }
}

/// The flow stays closed both ways, for this reason.
#[track_caller]
fn is_refused(lane: &Lane, case: &Case, reason: &'static str, detail: u32) {
    teach_well(lane, case);
    for hop in [case.request(), case.reply()] {
        assert!(!lane.is_open(&hop));
        assert_eq!(lane.refusal(&hop), Some((reason, detail)));
    }
}

#[test]
fn a_flow_conntrack_does_not_know_is_refused_where_it_knows_others() {
    let mut lane = Lane::new();
    lane.programs.set_conntrack(true, true);
    is_refused(&lane, &usual(), "ct_none", 0);
    assert!(lane.entries().is_empty());
    lane.programs.set_conntrack(false, true);
    lane.learn(&usual());
}

#[test]
fn a_flow_conntrack_does_not_call_established_stays_closed() {
    const SYN_RECV: u32 = 2;
    let mut lane = Lane::new();
    lane.track_as(&usual(), "SYN_RECV", "SEEN_REPLY");
    is_refused(&lane, &usual(), "ct_state", SYN_RECV);
    let mut lane = Lane::new();
    let udp = usual().with(|c| c.tcp = false);
    lane.track_as(&udp, "", "FIXED_TIMEOUT");
    is_refused(&lane, &udp, "ct_state", 0);
}

#[test]
fn a_flow_opens_when_conntrack_calls_it_established() {
    for tcp in [true, false] {
        let case = usual().with(|c| c.tcp = tcp);
        let mut lane = Lane::new();
        lane.track(&case);
        lane.learn(&case);
    }
}

#[test]
fn tcp_is_refused_where_conntrack_does_not_forgive_what_it_has_not_seen() {
    let mut lane = Lane::new();
    lane.track(&usual());
    lane.programs.set_conntrack(true, false);
    is_refused(&lane, &usual(), "ct_window", 3);
}

fn prefix(text: &str, bits: u8) -> Option<Prefix> {
    Some(Prefix::new(text.parse().expect("it is an address"), bits))
}

#[test]
fn a_flow_that_a_rule_judges_is_refused_and_the_rule_is_named() {
    let elsewhere = Selector { dst: prefix("192.0.2.0", 24), ..Selector::default() };
    let to_peer = Selector { proto: Some(6), dst: prefix("10.244.2.0", 24), ..Selector::default() };
    let from_peer =
        Selector { src: prefix("10.244.2.2", 32), sport: Some((8080, 8080)), ..Selector::default() };
    let mut lane = Lane::new();
    lane.programs.set_judges(&[elsewhere.clone(), elsewhere.clone(), to_peer, from_peer]);
    teach_well(&lane, &usual());
    assert!(lane.entries().is_empty());
    assert_eq!(lane.refusal(&usual().request()), Some(("judged", 2)));
    assert_eq!(lane.refusal(&usual().reply()), Some(("judged", 3)));
    lane.programs.set_judges(&[elsewhere]);
    lane.learn(&usual());
}

#[test]
fn a_judge_judges_what_it_says_and_nothing_else() {
    let not_ours = [
        Selector { proto: Some(17), ..Selector::default() },
        Selector { v6: Some(true), ..Selector::default() },
        Selector { src: prefix("fd00::", 8), ..Selector::default() },
        Selector { src: prefix("10.244.1.3", 32), ..Selector::default() },
        Selector { dst: prefix("10.245.0.0", 16), ..Selector::default() },
        Selector { sport: Some((1, 8079)), ..Selector::default() },
        Selector { sport: Some((8081, 39999)), ..Selector::default() },
        Selector { dport: Some((40001, 65535)), ..Selector::default() },
        Selector { src: prefix("10.244.1.0", 24), dst: prefix("10.244.1.0", 24), ..Selector::default() },
    ];
    let mut lane = Lane::new();
    lane.programs.set_judges(&not_ours);
    lane.learn(&usual());
}

#[test]
fn a_judge_sees_the_flow_before_and_after_translation() {
    let case = usual().with(|c| c.nat = Nat::Service);
    for dst in ["10.96.0.10", "10.244.2.2"] {
        let mut lane = Lane::new();
        lane.track(&case);
        lane.programs.set_judges(&[Selector { dst: prefix(dst, 32), ..Selector::default() }]);
        teach_well(&lane, &case);
        assert_eq!(lane.refusal(&case.request()), Some(("judged", 0)));
        assert!(lane.entry(&case.request()).is_none());
    }
}

#[test]
fn more_judges_than_there_is_room_for_judge_everything() {
    let mut lane = Lane::new();
    let elsewhere = Selector { dst: prefix("192.0.2.0", 24), ..Selector::default() };
    lane.programs.set_judges(&vec![elsewhere.clone(); 65]);
    is_refused(&lane, &usual(), "judged", 0);
    lane.programs.set_judges(&vec![elsewhere; 64]);
    lane.learn(&usual());
}

/// The same conversation of another pod with the same addresses, in network 2.
fn in_network_2() -> Case {
    usual().with(|c| c.road = Road::Tunnel(Tunnel { vni: 2, ..plain_vxlan() }))
}

fn of_other_pod(case: &Case) -> [Hop; 2] {
    let (mut request, mut reply) = (case.request(), case.reply());
    (request.from.1, reply.to.1) = (Dev::OtherPod, Dev::OtherPod);
    request.enters.eth.src[5] = 3;
    reply.leaves.eth.dst[5] = 3;
    [request, reply]
}

#[test]
fn two_networks_with_the_same_addresses_have_entries_of_their_own() {
    let (lane, [request, reply]) = (Lane::knows(&usual()), of_other_pod(&in_network_2()));
    for _ in 0..10 {
        lane.teach(&request);
        lane.teach(&reply);
    }
    assert_eq!(lane.entries().len(), 4);
    for hop in [&usual().request(), &usual().reply(), &request, &reply] {
        lane.send(hop, &hop.enters).is_sent(hop, &hop.enters);
    }
}

/// A packet of network 1 comes in and goes lost; its like of network 2 is delivered to the other pod.
fn lost_and_delivered(lane: &Lane) {
    let [_, delivered] = of_other_pod(&in_network_2());
    for _ in 0..5 {
        lane.send(&usual().reply(), &usual().reply().enters);
        lane.run(delivered.to, &delivered.leaves.bytes());
    }
}

#[test]
fn a_packet_of_one_network_does_not_open_an_entry_by_the_exit_of_another_ones() {
    let (lane, [request, reply]) = (Lane::new(), of_other_pod(&in_network_2()));
    for _ in 0..5 {
        lane.teach(&request);
        lane.teach(&reply);
    }
    lost_and_delivered(&lane);
    let lost = usual().reply();
    assert_eq!(lane.send(&lost, &lost.enters).verdict, Verdict::Slow);
}

#[test]
fn an_entry_that_was_open_does_not_stay_so_when_it_leads_to_another_network() {
    let (mut lane, [request, reply]) = (Lane::knows(&usual()), of_other_pod(&in_network_2()));
    for _ in 0..5 {
        lane.teach(&request);
        lane.teach(&reply);
    }
    lane.programs.revoke();
    lost_and_delivered(&lane);
    let lost = usual().reply();
    assert_eq!(lane.send(&lost, &lost.enters).verdict, Verdict::Slow);
}

#[test]
fn a_flow_of_which_the_node_changes_more_than_the_bypass_would_is_refused() {
    let (lane, request) = (Lane::new(), usual().request());
    let marked = Hop { leaves: request.leaves.with(|p| p.ip.tos = 0x20), ..request.clone() };
    for _ in 0..5 {
        lane.teach(&marked);
    }
    assert_eq!((lane.entries().len(), lane.refusal(&request)), (0, Some(("changed", 0))));
}
