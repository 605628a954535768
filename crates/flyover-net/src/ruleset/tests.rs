//! What a real kernel sent, kept in `fuzz/seeds`, whole and damaged.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::analysis::Analysis;

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    seeds
}

fn legacy_table(seed: &[u8]) -> Result<Table, crate::Malformed> {
    let family = if seed[0] & 1 == 1 { Family::Ip6 } else { Family::Ip };
    legacy::parse(family, &seed[1..85], &seed[85..])
}

#[test]
fn every_rule_set_of_a_real_kernel_is_understood() {
    for (name, seed) in seeds("ruleset_nft") {
        assert!(nft::parse(&seed).is_ok_and(|tables| !tables.is_empty()), "{name}");
    }
    for (name, seed) in seeds("ruleset_legacy") {
        assert!(legacy_table(&seed).is_ok_and(|table| !table.chains.is_empty()), "{name}");
    }
}

proptest! {
    #[test]
    fn a_damaged_rule_set_is_analysed_or_an_error(which: prop::sample::Index, damage: Vec<(prop::sample::Index, u8)>) {
        let seeds = seeds("ruleset_nft");
        let mut seed = which.get(&seeds).1.clone();
        damage.iter().for_each(|(at, byte)| { let at = at.index(seed.len()); seed[at] = *byte; });
        if let Ok(tables) = nft::parse(&seed) {
            let _analysis = Analysis::of(&Ruleset { generation: None, tables });
        }
    }

    #[test]
    fn a_damaged_legacy_table_is_analysed_or_an_error(which: prop::sample::Index, damage: Vec<(prop::sample::Index, u8)>) {
        let seeds = seeds("ruleset_legacy");
        let mut seed = which.get(&seeds).1.clone();
        damage.iter().for_each(|(at, byte)| { let at = at.index(seed.len()); seed[at] = *byte; });
        if let Ok(table) = legacy_table(&seed) {
            let _analysis = Analysis::of(&Ruleset { generation: None, tables: vec![table] });
        }
    }
}
