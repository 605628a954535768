//! Any bytes are a conntrack entry, counts of IPsec policies, or an error.
#![no_main]

use flyover_net::{conntrack, xfrm};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    drop(conntrack::parse(body));
    drop(xfrm::parse(body));
});
