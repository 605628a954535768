//! Any netlink messages are nf_tables or an error, and any rule set is analysed in bounded time.
#![no_main]

use flyover_net::analysis::Analysis;
use flyover_net::ruleset::{Ruleset, nft};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tables) = nft::parse(bytes) {
        let analysis = Analysis::of(&Ruleset { generation: None, tables });
        analysis.judges.iter().for_each(|judge| drop(judge.to_string()));
    }
});
