//! Any bytes are a legacy table or an error. The first says the family; then comes `struct ipt_getinfo`.
#![no_main]

use flyover_net::analysis::Analysis;
use flyover_net::ruleset::{Family, Ruleset, legacy};
use libfuzzer_sys::fuzz_target;

const INFO: usize = 84;

fuzz_target!(|bytes: &[u8]| {
    let Some((family, rest)) = bytes.split_first() else { return };
    let Some((info, entries)) = rest.split_at_checked(INFO) else { return };
    let family = if family & 1 == 1 { Family::Ip6 } else { Family::Ip };
    if let Ok(table) = legacy::parse(family, info, entries) {
        let analysis = Analysis::of(&Ruleset { generation: None, tables: vec![table] });
        analysis.judges.iter().for_each(|judge| drop(judge.to_string()));
    }
});
