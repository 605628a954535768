//! Packets of a pod whose flow is known and open, but which are not for the bypass.

use crate::case::usual;
use crate::lane::Lane;
use crate::packet::{ETH, L4, settle_ip4};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

#[test]
fn a_packet_of_a_known_flow_is_sent() {
    let (case, request) = (usual(), usual().request());
    let lane = Lane::knows(&case);
    let out = lane.send(&request, &request.enters);
    assert_eq!(out.verdict, crate::lane::Verdict::Sent, "{out:?}");
}

#[test]
fn a_segment_that_begins_or_ends_a_connection_is_slow() {
    let request = usual().request();
    for flags in [SYN, SYN | ACK, FIN | ACK, RST, RST | ACK, 0] {
        let lane = Lane::knows(&usual());
        let sent = request.enters.with(|p| {
            if let L4::Tcp { flags: f, .. } = &mut p.l4 {
                *f = flags;
            }
        });
        lane.send(&request, &sent).is_slow(&sent.bytes(), "tcp_flags");
    }
}

#[test]
fn a_fragment_is_slow_be_it_the_first_a_middle_or_the_last() {
    let (lane, request) = (Lane::knows(&usual()), usual().request());
    for (name, field) in [("first", 0x2000_u16), ("middle", 0x2010), ("last", 0x0010), ("reserved", 0x8000)] {
        let sent = request.enters.bytes_but(|b| {
            b[ETH + 6..ETH + 8].copy_from_slice(&field.to_be_bytes());
            settle_ip4(&mut b[ETH..]);
        });
        println!("{name}");
        lane.run(request.from, &sent).is_slow(&sent, "fragment");
    }
}
