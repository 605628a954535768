//! Packets of a pod whose flow is known and open, but which are not for the bypass.

use flyover_fastpath::Place;

use crate::case::{Case, Hop, Road, Tunnel, plain_vxlan, usual};
use crate::lane::Lane;
use crate::packet::{ETH, L4, Packet, settle_ip4};

/// The same flow over IPv6.
fn usual6() -> Case {
    usual().with(|c| c.v6 = true)
}

fn udp() -> Case {
    usual().with(|c| c.tcp = false)
}

/// A packet of the flow's addresses with another protocol's header and some bytes.
fn of_protocol(hop: &Hop, proto: u8) -> Vec<u8> {
    let eth = hop.enters.bytes()[..ETH].to_vec();
    // For IPv6 this is an extension header too: next TCP, eight bytes long.
    let body = [&[6, 0, 0, 0, 0, 0, 0, 0][..], &[0; 40]].concat();
    [eth, hop.enters.ip.around(proto, &body)].concat()
}

fn filled(packet: &Packet, len: usize) -> Packet {
    packet.with(|p| p.payload = vec![7; len])
}

#[test]
fn a_segment_that_begins_or_ends_a_connection_is_slow() {
    let (mut lane, request) = (Lane::new(), usual().request());
    for flags in [0x02, 0x12, 0x11, 0x04, 0x14, 0x00] {
        lane.programs.revoke();
        lane.learn(&usual());
        let sent = request.enters.with(|p| p.l4 = flagged(p.l4, flags));
        lane.send(&request, &sent).is_slow(&sent.bytes(), "tcp_flags");
    }
}

fn flagged(l4: L4, flags: u8) -> L4 {
    match l4 {
        L4::Tcp { sport, dport, seq, .. } => L4::Tcp { sport, dport, seq, flags },
        udp @ L4::Udp { .. } => udp,
    }
}

#[test]
fn a_fragment_is_slow_be_it_the_first_a_middle_or_the_last() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    for field in [0x2000_u16, 0x2010, 0x0010, 0x8000] {
        let sent = request.enters.bytes_but(|b| {
            b[ETH + 6..ETH + 8].copy_from_slice(&field.to_be_bytes());
            settle_ip4(&mut b[ETH..]);
        });
        lane.run(request.from, &sent).is_slow(&sent, "fragment");
    }
}

#[test]
fn ip_options_are_slow() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    let plain = request.enters.bytes();
    for words in 1..=10 {
        let mut sent = plain.clone();
        sent.splice(ETH + 20..ETH + 20, vec![1; words * 4]);
        let len = u16::try_from(sent.len() - ETH).unwrap();
        sent[ETH] = 0x45 + u8::try_from(words).unwrap();
        sent[ETH + 2..ETH + 4].copy_from_slice(&len.to_be_bytes());
        settle_ip4(&mut sent[ETH..]);
        lane.run(request.from, &sent).is_slow(&sent, "ip_options");
    }
}

#[test]
fn each_ipv6_extension_header_is_slow() {
    let (lane, request) = (Lane::knows(&usual6()), usual6().request());
    for (header, reason) in [
        (0, "ip_options"),
        (43, "ip_options"),
        (60, "ip_options"),
        (44, "fragment"),
        (50, "l4_unknown"),
        (51, "l4_unknown"),
        (59, "l4_unknown"),
        (135, "l4_unknown"),
        (139, "l4_unknown"),
        (140, "l4_unknown"),
    ] {
        let sent = of_protocol(&request, header);
        lane.run(request.from, &sent).is_slow(&sent, reason);
    }
}

#[test]
fn icmp_and_every_transport_but_tcp_and_udp_is_slow() {
    for (case, icmp) in [(usual(), 1), (usual6(), 58)] {
        let (lane, request) = (Lane::knows(&case), case.request());
        let sent = of_protocol(&request, icmp);
        lane.run(request.from, &sent).is_slow(&sent, "icmp");
        for (name, proto) in [("GRE", 47), ("SCTP", 132), ("IPv4 in IP", 4), ("UDP-Lite", 136)] {
            println!("{name}");
            let sent = of_protocol(&request, proto);
            lane.run(request.from, &sent).is_slow(&sent, "l4_unknown");
        }
    }
}

#[test]
fn a_ttl_that_is_one_or_less_after_the_hop_is_slow() {
    for case in [usual(), usual6()] {
        let (lane, request) = (Lane::knows(&case), case.request());
        for ttl in [0, 1, 2] {
            let sent = request.enters.with(|p| p.ip.ttl = ttl);
            lane.send(&request, &sent).is_slow(&sent.bytes(), "ttl");
        }
        let sent = request.enters.with(|p| p.ip.ttl = 3);
        lane.send(&request, &sent).is_sent(&request, &sent);
    }
}

#[test]
fn a_packet_larger_than_the_path_is_slow_and_one_as_large_is_sent() {
    // The tunnel device takes 1450 bytes; over IPv6 the uplink's 1500 leave 1430.
    let over6 = usual().with(|c| c.road = Road::Tunnel(Tunnel { v6: true, ..plain_vxlan() }));
    for (case, mtu) in [(usual(), 1450), (udp(), 1450), (usual6(), 1450), (over6, 1430)] {
        let (lane, request) = (Lane::knows(&case), case.request());
        let headers = request.enters.bytes().len() - ETH - request.enters.payload.len();
        let fits = filled(&request.enters, mtu - headers);
        lane.send(&request, &fits).is_sent(&request, &fits);
        let large = filled(&request.enters, mtu - headers + 1);
        lane.send(&request, &large).is_slow(&large.bytes(), "mtu");
    }
}

#[test]
fn many_segments_in_one_packet_are_judged_by_their_own_size() {
    // A test run holds a page at most, and its packets are of no kind that may get a tunnel header in front.
    let near = |c: &mut Case| c.road = Road::SameNode;
    for (case, headers) in [(usual(), 40), (udp(), 28), (usual6(), 60)].map(|(c, n)| (c.with(near), n)) {
        let (lane, request) = (Lane::knows(&case), case.request());
        let sent = filled(&request.enters, 3400);
        let sized = |gso_size| Place { gso_size, ..Place::default() };
        let out = lane.run_at(request.from, &sent.bytes(), sized(1450 - headers));
        out.is_sent(&request, &sent);
        let out = lane.run_at(request.from, &sent.bytes(), sized(1450 - headers + 1));
        out.is_slow(&sent.bytes(), "mtu");
    }
}

#[test]
fn a_packet_the_kernel_makes_no_room_for_is_slow() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    let sent = filled(&request.enters, 3400).bytes();
    // Segments of no kind the kernel knows, which it does not encapsulate.
    let out = lane.run_at(request.from, &sent, Place { gso_size: 1000, ..Place::default() });
    out.is_slow(&sent, "no_room");
}

#[test]
fn what_goes_to_many_is_slow() {
    for (case, groups) in [
        (usual(), vec!["224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1"]),
        (usual6(), vec!["ff02::1"]),
    ] {
        let (lane, request) = (Lane::knows(&case), case.request());
        for group in groups {
            let sent = request.enters.with(|p| p.ip.dst = group.parse().unwrap());
            lane.send(&request, &sent).is_slow(&sent.bytes(), "multicast");
        }
        for eth in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
            let sent = request.enters.with(|p| p.eth.dst = eth);
            lane.send(&request, &sent).is_slow(&sent.bytes(), "multicast");
        }
    }
}

#[test]
fn a_frame_that_is_not_bare_ip_is_slow() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    // A tag that hardware took off cannot be set in a test run; one in the frame is a protocol of its own.
    let mut tagged = request.enters.bytes();
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
    lane.run(request.from, &tagged).is_slow(&tagged, "not_ip");
    let arp = request.enters.bytes_but(|b| b[12..14].copy_from_slice(&[0x08, 0x06]));
    lane.run(request.from, &arp).is_slow(&arp, "not_ip");
}

type Spoil = fn(&mut Vec<u8>);

/// An IPv4 packet that says it is longer or shorter than it is, with a sound header checksum.
fn claim_length(b: &mut [u8], more: i16) {
    let len = u16::from_be_bytes([b[ETH + 2], b[ETH + 3]]).wrapping_add_signed(more);
    b[ETH + 2..ETH + 4].copy_from_slice(&len.to_be_bytes());
    settle_ip4(&mut b[ETH..]);
}

#[test]
fn headers_that_contradict_themselves_are_slow() {
    let spoils4: &[(&str, Spoil)] = &[
        ("version", |b| b[ETH] = 0x65),
        ("header length", |b| b[ETH] = 0x44),
        ("header checksum", |b| b[ETH + 10] ^= 1),
        ("longer than the frame", |b| claim_length(b, 1)),
        ("shorter than the frame", |b| claim_length(b, -1)),
        ("a byte behind", |b| b.push(0)),
        ("TCP header too short", |b| b[ETH + 20 + 12] = 0x40),
        ("TCP header beyond the packet", |b| b[ETH + 20 + 12] = 0xf0),
        ("cut in the TCP header", |b| b.truncate(ETH + 39)),
    ];
    let spoils6: &[(&str, Spoil)] = &[
        ("version", |b| b[ETH] = 0x45),
        ("longer than the frame", |b| b[ETH + 5] += 1),
        ("shorter than the frame", |b| b[ETH + 5] -= 1),
        ("jumbogram", |b| b[ETH + 4..ETH + 6].fill(0)),
        ("cut in the TCP header", |b| b.truncate(ETH + 59)),
    ];
    let spoils_udp: &[(&str, Spoil)] = &[
        ("UDP longer than the packet", |b| b[ETH + 25] += 1),
        ("UDP shorter than the packet", |b| b[ETH + 25] -= 1),
        ("UDP without a length", |b| b[ETH + 24..ETH + 26].fill(0)),
        ("cut in the UDP header", |b| b.truncate(ETH + 27)),
    ];
    for (case, spoils) in [(usual(), spoils4), (usual6(), spoils6), (udp(), spoils_udp)] {
        let (lane, request) = (Lane::knows(&case), case.request());
        for (what, spoil) in spoils {
            println!("{what}");
            let mut sent = request.enters.bytes();
            spoil(&mut sent);
            lane.run(request.from, &sent).is_slow(&sent, "malformed");
        }
    }
}

#[test]
fn a_datagram_without_checksum_is_slow_where_the_tunnel_writes_one() {
    let summed = udp().with(|c| c.road = Road::Tunnel(Tunnel { summed: true, ..plain_vxlan() }));
    let (lane, request) = (Lane::knows(&summed), summed.request());
    let sent = request.enters.with(|p| {
        if let L4::Udp { summed, .. } = &mut p.l4 {
            *summed = false;
        }
    });
    lane.send(&request, &sent).is_slow(&sent.bytes(), "udp_no_checksum");
}
