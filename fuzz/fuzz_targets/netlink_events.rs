//! Any datagram is announcements or a loss. The first byte says whose.
#![no_main]

use flyover_net::watch::{Memory, decode_netfilter, decode_route};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((of_route, datagram)) = bytes.split_first() else { return };
    if of_route & 1 == 1 {
        let mut memory = Memory::default();
        drop(decode_route(datagram, &mut memory));
        drop(decode_route(datagram, &mut memory));
    } else {
        drop(decode_netfilter(datagram));
    }
});
