//! What was found by drawing, and what must be shown by name.

use flyover_core::Proto::{Tcp, Udp};
use flyover_lab::Family::{V4, V6};

use super::{spec, talk};
use crate::flow::{Path, Talk};
use crate::frame::ETH;
use crate::opened::Came;
use crate::shot::{ACK, Body, Shot, Sum};
use crate::site::Eye;
use crate::twins::Twins;
use crate::wrap::{Flaw, Wrap};

fn play(twins: &mut Twins, talk: &Talk, shots: &[Shot]) -> Came {
    twins.play(talk, shots).unwrap_or_else(|e| panic!("{e}"))
}

/// Rules masquerade with ports drawn by lot: neither end may see the other's choice.
#[test]
fn a_port_that_a_node_chose_is_translated_in_every_packet() {
    let mut twins = Twins::up(&spec(), Path::Outside.receiver(), |_| ());
    for family in [V4, V6] {
        for (proto, len, back) in [(Udp, 0, false), (Udp, 999, true), (Tcp, 1, true), (Tcp, 1_200, false)] {
            let body = match proto {
                Tcp => Body::Tcp { len, sum: Sum::Left, flags: ACK, urgent: 0, options: 0 },
                _ => Body::Udp { len, sum: Sum::Left },
            };
            let shot = Shot::plain(body).with(|s| s.back = back);
            let summed = shot.clone().with(|s| match &mut s.body {
                Body::Tcp { sum, .. } | Body::Udp { sum, .. } => *sum = Sum::Right,
                _ => {}
            });
            play(&mut twins, &talk(Path::Outside, family, proto), &[shot, summed]);
        }
    }
}

/// Two tunnel devices of one port and one network number, one for each family, as Flannel makes them.
#[test]
fn segments_of_both_families_leave_by_their_own_tunnel_device() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for family in [V4, V6] {
        for (len, size) in [(73, 64), (73, 8), (700, 500), (2_409, 1_200), (1_300, 1_200), (20_000, 1_200)] {
            let sum = Sum::Segments(size);
            let tcp = Body::Tcp { len, sum, flags: ACK, urgent: 0, options: 0 };
            play(&mut twins, &talk(Path::Across, family, Tcp), &[Shot::plain(tcp)]);
            let udp = Body::Udp { len, sum };
            play(&mut twins, &talk(Path::Across, family, Udp), &[Shot::plain(udp)]);
        }
    }
}

/// The kernel's own answer to each flaw stands here, so that nobody compares nothing with nothing.
#[test]
fn a_tunnel_packet_with_a_flaw_arrives_or_not_as_without_the_bypass() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    let arrive = [
        Flaw::Unvouched,
        Flaw::Ttl(1),
        Flaw::Tos(0xb8),
        Flaw::Tos(2),
        Flaw::SourcePort(53),
        Flaw::Source(99),
        Flaw::Halves,
    ];
    let vanish = [
        Flaw::Vni(2),
        Flaw::Vni(0x00ff_ffff),
        Flaw::Flags(0),
        Flaw::Flags(0x0800_0001),
        Flaw::Flags(0x0c00_0000),
        Flaw::Reserved(1),
        Flaw::Port(4_789),
        Flaw::UdpLength(1),
        Flaw::IpLength(1),
        Flaw::WrongSum,
        Flaw::Fragment,
        Flaw::Cut(60),
        Flaw::InnerDestination(1),
        Flaw::InnerKind(0x0806),
    ];
    for family in [V4, V6] {
        let (more, less) = match family {
            V4 => (Flaw::NoSum, Flaw::Vni(4)),
            V6 => (Flaw::Atomic, Flaw::NoSum),
        };
        let arrive = arrive.into_iter().chain([more]).map(|flaw| (flaw, 1));
        let vanish = vanish.into_iter().chain([less]).map(|flaw| (flaw, 0));
        for (flaw, expected) in arrive.chain(vanish) {
            let inner = Shot::plain(Body::Udp { len: 40, sum: Sum::Right });
            let wrap = Wrap { inner, flaws: vec![flaw] };
            let came = twins.meddle(&talk(Path::Across, family, Udp), &[wrap]);
            let came = came.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(came[Eye::A as usize].len(), expected, "{family} {flaw:?}");
        }
    }
}

/// What an application says of a packet's class, and how many routers it met: neither is the bypass's to use.
#[test]
fn every_class_of_service_arrives_as_it_was_sent_and_two_hops_are_counted() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for family in [V4, V6] {
        let read = |frame: &Vec<u8>| match family {
            V4 => (frame[ETH + 1], frame[ETH + 8]),
            V6 => (frame[ETH] << 4 | frame[ETH + 1] >> 4, frame[ETH + 7]),
        };
        // The books hold eight classes of a flow.
        for classes in (0..=255).collect::<Vec<u8>>().chunks(28) {
            for back in [false, true] {
                let plain = Shot::plain(Body::Udp { len: 9, sum: Sum::Left });
                let shots: Vec<_> = classes.iter().map(|&tos| Shot { back, tos, ..plain.clone() }).collect();
                let came = play(&mut twins, &talk(Path::Across, family, Udp), &shots);
                let eye = if back { Eye::A } else { Eye::B };
                let arrived: Vec<_> = came[eye as usize].iter().map(read).collect();
                let sent: Vec<_> = classes.iter().map(|&tos| (tos, 62)).collect();
                assert_eq!(arrived, sent, "{family}, back {back}");
            }
        }
    }
}
