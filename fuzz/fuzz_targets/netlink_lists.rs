//! Any bytes are a hook, a qdisc, a filter, or an error.
#![no_main]

use flyover_net::{hooks, qdisc};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    drop(hooks::parse(body));
    drop(qdisc::parse_qdisc(body));
    drop(qdisc::parse_filter(body));
});
