//! What was found by drawing, and what must be shown by name.

use flyover_core::Proto::{Tcp, Udp};
use flyover_lab::Family::{V4, V6};

use super::{spec, talk};
use crate::flow::Path;
use crate::shot::{ACK, Body, Shot, Sum};
use crate::twins::Twins;

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
            twins
                .play(&talk(Path::Outside, family, proto), &[shot, summed])
                .unwrap_or_else(|e| panic!("{e}"));
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
            twins
                .play(&talk(Path::Across, family, Tcp), &[Shot::plain(tcp)])
                .unwrap_or_else(|e| panic!("{e}"));
            let udp = Body::Udp { len, sum };
            twins
                .play(&talk(Path::Across, family, Udp), &[Shot::plain(udp)])
                .unwrap_or_else(|e| panic!("{e}"));
        }
    }
}
