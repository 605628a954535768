//! What the programs do on kernels that can do less than this one.

use flyover_fastpath::{Abilities, Place};

use super::fast::{all_are_sent, conversations};
use crate::case::{Road, Tunnel, plain_vxlan, usual};
use crate::lane::Lane;
use crate::packet::ETH;

fn this() -> Abilities {
    Abilities::of_kernel().expect("the kernel tells its types")
}

fn tunnels() -> [Tunnel; 3] {
    let options = vec![1, 2, 3, 1, 4, 5, 6, 7];
    [
        plain_vxlan(),
        Tunnel { v6: true, summed: true, ..plain_vxlan() },
        Tunnel { summed: true, geneve: Some(options), ..plain_vxlan() },
    ]
}

/// Before 6.3 the kernel cannot be told which IP version is inside a tunnel.
#[test]
fn a_tunnel_of_either_ip_version_is_taken_off_without_telling_the_kernel_what_is_inside() {
    for tunnel in tunnels() {
        let (lane, cases) =
            (Lane::of(Abilities { decap_l3: false, ..this() }), conversations(&Road::Tunnel(tunnel)));
        for case in &cases {
            lane.learn(case);
            all_are_sent(&lane, case);
            let (reply, summed) = (case.reply(), Place { summed: true, ..Place::default() });
            lane.run_at(reply.from, &reply.enters.bytes(), summed).is_sent(&reply, &reply.enters);
        }
    }
}

/// Conntrack is a module without BTF, or came after the programs.
#[test]
fn flows_are_refused_where_conntrack_is_in_use_and_cannot_be_asked() {
    let mut lane = Lane::of(Abilities { ask_conntrack: false, ..this() });
    lane.learn(&usual());
    let other = usual().with(|c| c.tcp = false);
    lane.track(&other);
    for hop in [other.request(), other.reply()] {
        lane.teach(&hop);
        assert_eq!((lane.is_open(&hop), lane.refusal(&hop)), (false, Some(("ct_mute", 0))));
    }
}

/// Before 6.2 a program reads the packet's own structure as memory that could be anything.
#[test]
fn an_outer_checksum_is_looked_after_where_a_packet_is_read_as_memory() {
    let lane = Lane::of(Abilities { see_packet: false, ..this() });
    for case in conversations(&Road::Tunnel(Tunnel { summed: true, ..plain_vxlan() })) {
        let reply = case.reply();
        lane.learn(&case);
        let wrong = reply.enters.bytes_but(|b| b[ETH + 20 + 7] ^= 1);
        lane.run(reply.from, &wrong).is_slow(&wrong, "outer_checksum");
        lane.run(reply.from, &reply.enters.bytes()).is_sent(&reply, &reply.enters);
        lane.send(&reply, &reply.enters).is_sent(&reply, &reply.enters);
    }
}
