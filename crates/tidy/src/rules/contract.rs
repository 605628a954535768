//! A promise names the test or the command that holds it, or says that it is missing.
//!
//! The contract is a table of three columns: section, promise, held by. In the last one stand tests
//! (`` `a_name_of_a_test` ``) and commands (`` `make demo` ``) in backticks, or the word `missing`.

use std::collections::BTreeSet;

use crate::{Fault, Tree};

const CONTRACT: &str = "docs/contract.md";

/// Programs that a row may name.
const COMMANDS: [&str; 4] = ["make ", "cargo ", "flyover ", "bash "];

/// Faults of rows that name nothing, or a test or target that is not there.
pub fn check(tree: &Tree) -> Vec<Fault> {
    let Some(contract) = tree.file(CONTRACT) else { return vec![Fault::of(CONTRACT, "is not there")] };
    let known = Known::of(tree);
    let rows = contract.text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    let rows = rows.filter(|(_, line)| !line.starts_with("| § |") && !line.starts_with("|---"));
    rows.flat_map(|(i, row)| known.faults(row).into_iter().map(move |what| Fault::at(CONTRACT, i + 1, what)))
        .collect()
}

struct Known<'a> {
    tests: BTreeSet<&'a str>,
    targets: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(tree: &'a Tree) -> Self {
        let rust = tree.ending(&["rs"]).flat_map(|f| f.text.lines());
        let named = |line: &'a str| {
            let line = line.trim_start();
            line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?.split(['(', '<']).next()
        };
        let functions = rust.filter_map(named);
        let makefile = tree.file("Makefile").map_or("", |f| f.text.as_str());
        let targets = makefile.lines().filter_map(|line| Some(line.split_once(':')?.0));
        Self { tests: functions.collect(), targets: targets.collect() }
    }

    fn faults(&self, row: &str) -> Vec<String> {
        let cells: Vec<&str> = row.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let &[_, _, held_by] = cells.as_slice() else {
            return vec![format!("has {} columns instead of 3", cells.len())];
        };
        let named: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !held_by.contains("missing") {
            return vec!["names no test, no command, and does not say `missing`".into()];
        }
        named.into_iter().filter_map(|name| self.fault_of(name)).collect()
    }

    fn fault_of(&self, name: &str) -> Option<String> {
        if COMMANDS.iter().any(|c| name.starts_with(c)) {
            let target = name.strip_prefix("make ")?.split(' ').next()?;
            return (!self.targets.contains(target)).then(|| format!("`make {target}` does not exist"));
        }
        let test = name.rsplit("::").next()?;
        (!self.tests.contains(test)).then(|| format!("there is no test `{test}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(held_by: &str) -> Vec<String> {
        let text =
            format!("| § | promise | held by |\n|---|---|---|\n| 3 | a packet arrives | {held_by} |\n");
        let tree = Tree::of([
            (CONTRACT, &text),
            ("Makefile", "demo: setup ## Show\n"),
            (
                "crates/a/src/lib.rs",
                "    fn a_packet_arrives() {\n    fn any_packet_arrives(p in packet()) {\nasync fn a_server_answers() {\n",
            ),
        ]);
        check(&tree).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_row_is_held_by_a_test_a_command_or_the_word_missing() {
        for good in [
            "`a_packet_arrives`",
            "`lab::tests::any_packet_arrives`, `make demo`",
            "`a_server_answers`",
            "`flyover lab up`",
            "missing",
        ] {
            assert!(faults(good).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_row_that_names_nothing_or_what_is_not_there_is_a_fault() {
        assert_eq!(
            faults("-"),
            ["docs/contract.md:3: names no test, no command, and does not say `missing`"]
        );
        assert_eq!(faults("`no_such_test`"), ["docs/contract.md:3: there is no test `no_such_test`"]);
        assert_eq!(faults("`make tea`"), ["docs/contract.md:3: `make tea` does not exist"]);
        assert_eq!(faults("missing | more"), ["docs/contract.md:3: has 4 columns instead of 3"]);
    }
}
