//! Packets from the wire that look like those of a known flow, but which are not for the bypass.

use flyover_fastpath::Hook;

use crate::case::{Case, Dev, GENEVE_PORT, Hop, Road, Tunnel, VXLAN_PORT, plain_vxlan, usual};
use crate::lane::{Lane, Verdict};
use crate::packet::{ETH, L4, Outer, Packet, settle_ip4, vxlan};

const OUTER_UDP: usize = ETH + 20;
const TUNNEL: usize = OUTER_UDP + 8;

fn through(tunnel: Tunnel) -> Case {
    usual().with(|c| c.road = Road::Tunnel(tunnel))
}

fn over6() -> Case {
    through(Tunnel { v6: true, ..plain_vxlan() })
}

fn geneve(options: &[u8]) -> Case {
    through(Tunnel { geneve: Some(options.to_vec()), ..plain_vxlan() })
}

fn with_outer(packet: &Packet, change: impl FnOnce(&mut Outer)) -> Packet {
    packet.with(|p| change(p.outer.as_mut().expect("it came through a tunnel")))
}

/// It went on to the stack, and nobody even counted it: it is none of ours.
#[track_caller]
fn is_nobodys(lane: &Lane, hop: &Hop, sent: &[u8]) {
    let out = lane.run(hop.from, sent);
    out.is_untouched(sent);
    assert!(out.counted.is_empty(), "{:?}", out.counted);
}

#[test]
fn congestion_marked_on_the_outer_header_is_left_to_the_kernel() {
    for case in [usual(), through(Tunnel { v6: true, ..plain_vxlan() })] {
        let (lane, reply) = (Lane::knows(&case), case.reply());
        let sent = with_outer(&reply.enters, |o| o.ip.tos = 3);
        lane.send(&reply, &sent).is_slow(&sent.bytes(), "outer_ce");
    }
}

#[test]
fn ect1_outside_ect0_is_left_to_the_kernel_which_copies_it() {
    for v6 in [false, true] {
        let case = usual().with(|c| c.v6 = v6);
        let (lane, reply) = (Lane::knows(&case), case.reply());
        let sent = with_outer(&reply.enters.with(|p| p.ip.tos = 2), |o| o.ip.tos = 1);
        lane.send(&reply, &sent).is_slow(&sent.bytes(), "outer_ce");
        let both = with_outer(&reply.enters.with(|p| p.ip.tos = 1), |o| o.ip.tos = 1);
        assert!(lane.send(&reply, &both).counted.is_empty());
    }
}

#[test]
fn a_fragment_of_a_tunnel_is_slow() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    for field in [0x2000_u16, 0x2010, 0x0010] {
        let sent = reply.enters.bytes_but(|b| {
            b[ETH + 6..ETH + 8].copy_from_slice(&field.to_be_bytes());
            settle_ip4(&mut b[ETH..]);
        });
        lane.run(reply.from, &sent).is_slow(&sent, "fragment");
    }
}

type Spoil = fn(&mut Vec<u8>);
type SpoilAt<'a> = &'a dyn Fn(&mut [u8]);

fn lengthen(b: &mut [u8], at: usize, more: i16) {
    let len = u16::from_be_bytes([b[at], b[at + 1]]).wrapping_add_signed(more);
    b[at..at + 2].copy_from_slice(&len.to_be_bytes());
}

fn claim_outer_length(b: &mut [u8], more: i16) {
    lengthen(b, ETH + 2, more);
    settle_ip4(&mut b[ETH..]);
}

#[test]
fn a_tunnel_whose_headers_contradict_themselves_is_slow() {
    let spoils4: &[(&str, Spoil)] = &[
        ("outer IP longer than the frame", |b| claim_outer_length(b, 1)),
        ("outer IP shorter than the frame", |b| claim_outer_length(b, -1)),
        ("outer header checksum", |b| b[ETH + 10] ^= 1),
        ("outer UDP longer than the packet", |b| lengthen(b, OUTER_UDP + 4, 1)),
        ("outer UDP shorter than the packet", |b| lengthen(b, OUTER_UDP + 4, -1)),
        ("a byte behind", |b| b.push(0)),
    ];
    let spoils6: &[(&str, Spoil)] = &[
        ("outer IP longer than the frame", |b| lengthen(b, ETH + 4, 1)),
        ("outer UDP shorter than the packet", |b| lengthen(b, ETH + 40 + 4, -1)),
        ("a byte behind", |b| b.push(0)),
    ];
    for (case, spoils) in [(usual(), spoils4), (over6(), spoils6)] {
        let (lane, reply) = (Lane::knows(&case), case.reply());
        for (what, spoil) in spoils {
            println!("{what}");
            let mut sent = reply.enters.bytes();
            spoil(&mut sent);
            lane.run(reply.from, &sent).is_slow(&sent, "tunnel_malformed");
        }
    }
}

#[test]
fn a_tunnel_that_ends_within_its_headers_is_slow() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    let Packet { outer: Some(outer), .. } = &reply.enters else { panic!("it came through a tunnel") };
    let around = |body: &[u8]| {
        let ports = [outer.sport, outer.dport, u16::try_from(8 + body.len()).unwrap(), 0];
        let datagram = [&ports.map(u16::to_be_bytes).concat()[..], body].concat();
        [&reply.enters.bytes()[..ETH], &outer.ip.around(17, &datagram)].concat()
    };
    let whole = &reply.enters.bytes()[TUNNEL..];
    for (len, reason) in [(8, "tunnel_malformed"), (8 + 13, "tunnel_malformed"), (8 + 14 + 39, "malformed")] {
        let sent = around(&whole[..len]);
        lane.run(reply.from, &sent).is_slow(&sent, reason);
    }
    is_nobodys(&lane, &reply, &around(&whole[..7]));
}

#[test]
fn any_flag_or_reserved_bit_in_a_vxlan_header_is_slow() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    for bit in (0..32).chain(56..64) {
        let sent = reply.enters.bytes_but(|b| b[TUNNEL + bit / 8] ^= 0x80 >> (bit % 8));
        lane.run(reply.from, &sent).is_slow(&sent, "tunnel_flags");
    }
}

#[test]
fn any_flag_version_protocol_or_reserved_bit_in_a_geneve_header_is_slow() {
    let case = geneve(&[0, 1, 2, 1, 9, 9, 9, 9]);
    let (lane, reply) = (Lane::knows(&case), case.reply());
    // Bits 2 to 7 are the length of the options.
    for bit in (0..2).chain(8..32).chain(56..64) {
        let sent = reply.enters.bytes_but(|b| b[TUNNEL + bit / 8] ^= 0x80 >> (bit % 8));
        lane.run(reply.from, &sent).is_slow(&sent, "tunnel_flags");
    }
}

#[test]
fn geneve_options_that_were_not_seen_before_are_slow() {
    let case = geneve(&[0, 1, 2, 1, 9, 9, 9, 9]);
    let (lane, reply) = (Lane::knows(&case), case.reply());
    for (options, reason) in [
        (vec![0, 1, 2, 1, 9, 9, 9, 8], "tunnel_flags"),
        (vec![0, 1, 0x82, 1, 9, 9, 9, 9], "tunnel_flags"),
        (vec![0, 1, 2, 1, 9, 9, 9, 9, 0, 1, 3, 0], "tunnel_flags"),
        (vec![], "tunnel_flags"),
        (vec![1; 68], "tunnel_malformed"),
    ] {
        let sent = geneve(&options).reply().enters.bytes();
        lane.run(reply.from, &sent).is_slow(&sent, reason);
    }
}

#[test]
fn a_packet_of_another_network_is_slow() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    for vni in [0, 2, 0x01_0001, 0xff_ffff] {
        let sent = with_outer(&reply.enters, |o| o.tunnel = vxlan(vni)).bytes();
        lane.run(reply.from, &sent).is_slow(&sent, "no_entry");
    }
}

#[test]
fn a_packet_from_or_to_an_unknown_end_of_the_tunnel_is_slow() {
    for (case, stranger) in [(usual(), "192.168.0.77"), (over6(), "fd01::77")] {
        let (lane, reply) = (Lane::knows(&case), case.reply());
        let stranger = stranger.parse().unwrap();
        let from = with_outer(&reply.enters, |o| o.ip.src = stranger).bytes();
        lane.run(reply.from, &from).is_slow(&from, "outer_address");
        let to = with_outer(&reply.enters, |o| o.ip.dst = stranger).bytes();
        lane.run(reply.from, &to).is_slow(&to, "outer_address");
    }
}

#[test]
fn a_packet_in_a_tunnel_over_the_other_ip_version_is_slow() {
    for (known, comes) in [(usual(), over6()), (over6(), usual())] {
        let (lane, reply) = (Lane::knows(&known), comes.reply());
        let sent = reply.enters.bytes();
        lane.run(reply.from, &sent).is_slow(&sent, "outer_address");
    }
}

#[test]
fn a_tunnels_port_as_the_source_does_not_make_a_tunnel() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    for port in [VXLAN_PORT, GENEVE_PORT] {
        for to in [53, 4789, 8473, 0] {
            let sent = with_outer(&reply.enters, |o| (o.sport, o.dport) = (port, to)).bytes();
            is_nobodys(&lane, &reply, &sent);
        }
    }
}

#[test]
fn a_packet_that_is_not_for_this_device_is_nobodys() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    for dst in [[2, 0, 0, 0, 9, 9], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        is_nobodys(&lane, &reply, &with_outer(&reply.enters, |o| o.eth.dst = dst).bytes());
    }
}

#[test]
fn an_entry_for_the_uplink_does_not_serve_another_device() {
    let (lane, reply) = (Lane::knows(&usual()), usual().reply());
    let sent = with_outer(&reply.enters, |o| o.eth.dst = lane.mac(Dev::OtherPod));
    lane.run((Hook::FromWire, Dev::OtherPod), &sent.bytes()).is_slow(&sent.bytes(), "no_entry");
}

#[test]
fn what_is_slow_from_a_pod_is_slow_inside_a_tunnel_too() {
    let (mut lane, reply) = (Lane::knows(&usual()), usual().reply());
    let l3 = reply.enters.l3();
    let spoils: &[(&str, SpoilAt<'_>)] = &[
        ("fragment", &|b| b[l3 + 6] = 0x20),
        ("malformed", &|b| b[l3 + 10] ^= 1),
        ("malformed", &|b| b[l3] = 0x65),
        ("ip_options", &|b| b[l3] = 0x46),
        ("icmp", &|b| b[l3 + 9] = 1),
        ("l4_unknown", &|b| b[l3 + 9] = 132),
        ("multicast", &|b| b[l3 + 16] = 224),
        ("multicast", &|b| b[l3 - 14] = 1),
        ("not_ip", &|b| b[l3 - 1] = 6),
        ("malformed", &|b| b[l3 + 3] -= 1),
        ("ttl", &|b| b[l3 + 8] = 2),
    ];
    for (reason, spoil) in spoils {
        let sent = reply.enters.bytes_but(|b| {
            spoil(b);
            // All but the packet with a bad checksum have a good one.
            if b[l3 + 10..l3 + 12] == reply.enters.bytes()[l3 + 10..l3 + 12] && b[l3] == 0x45 {
                settle_ip4(&mut b[l3..]);
            }
        });
        lane.run(reply.from, &sent).is_slow(&sent, reason);
    }
    let large = reply.enters.with(|p| p.payload = vec![1; 1411]);
    lane.send(&reply, &large).is_slow(&large.bytes(), "mtu");
    for flags in [0x02, 0x12, 0x11, 0x14] {
        lane.programs.revoke();
        lane.learn(&usual());
        let sent = reply.enters.with(|p| p.l4 = L4::Tcp { sport: 8080, dport: 40000, seq: 1, flags });
        lane.send(&reply, &sent).is_slow(&sent.bytes(), "tcp_flags");
    }
}

#[test]
fn a_flipped_bit_in_any_header_that_matters_is_slow() {
    let (mut lane, reply) = (Lane::knows(&usual()), usual().reply());
    let (frame, l4) = (reply.enters.bytes(), reply.enters.l4());
    // The outer source address of Ethernet, the outer source port, and what of TCP names no flow are the sender's.
    let may_differ = |at: usize| (6..12).contains(&at) || (34..36).contains(&at) || at >= l4 + 4;
    for at in 0..l4 + 20 {
        for bit in 0..8 {
            let sent = reply.enters.bytes_but(|b| b[at] ^= 1 << bit);
            let out = lane.run(reply.from, &sent);
            if out.verdict == Verdict::Slow {
                out.is_untouched(&sent);
            } else {
                assert!(may_differ(at), "bit {bit} of byte {at} passed");
                assert_eq!(out.bytes[ETH + 20..], sent[l4..]);
            }
            if !lane.is_open(&reply) {
                lane.programs.revoke();
                lane.learn(&usual());
            }
        }
    }
    assert_eq!(lane.run(reply.from, &frame).verdict, Verdict::Sent);
}
