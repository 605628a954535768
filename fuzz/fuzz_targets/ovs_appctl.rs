//! Any text is what a daemon printed.
#![no_main]

use flyover_ovs::appctl::{Datapath, Heap, Mempool, Pmd, Traffic, Version, Work, commands};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for pool in Mempool::all(text) {
        let _numbers = (pool.in_use(), pool.bytes(), pool.adjusted_mtu());
    }
    let _nodes: Vec<_> = Heap::all(text).iter().map(Heap::socket).collect();
    for work in [Work::of_stats(text), Work::of_perf(text)].iter().flatten() {
        assert!(work.busy().is_none_or(|busy| (0.0..=1.0).contains(&busy)));
    }
    drop((Pmd::all(text), Traffic::all(text), Datapath::all(text), commands(text)));
    let _release = Version::of(text).and_then(|version| version.release());
});
