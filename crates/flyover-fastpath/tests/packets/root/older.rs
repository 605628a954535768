//! What the programs do on kernels that can do less than this one.

use flyover_fastpath::{Abilities, Place};

use super::fast::{all_are_sent, conversations};
use crate::case::{Road, Tunnel, plain_vxlan};
use crate::lane::Lane;

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

/// Before 6.2 a program reads the packet's own structure as memory that could be anything.
#[test]
fn an_outer_checksum_is_looked_after_where_a_packet_is_read_as_memory() {
    let old = Abilities { see_packet: false, ..this() };
    for case in conversations(&Road::Tunnel(Tunnel { summed: true, ..plain_vxlan() })) {
        let (lane, reply) = (Lane::of(old), case.reply());
        lane.learn(&case);
        let sent = reply.enters.bytes();
        lane.run(reply.from, &sent).is_slow(&sent, "outer_checksum");
        lane.send(&reply, &reply.enters).is_sent(&reply, &reply.enters);
    }
}
