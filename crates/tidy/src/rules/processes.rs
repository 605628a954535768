//! Processes are started in one module, where they are logged and bounded in time.

use crate::source::code_lines;
use crate::tables::SPAWNERS;
use crate::{Fault, File, Tree};

/// What starts a process, written so that this file does not hold it.
const START: &str = concat!("Command", "::new(");

/// How a test names the program it tests: that one it may start as a person would.
const UNDER_TEST: &str = "env!(\"CARGO_BIN_EXE_";

/// Faults of modules that start processes by themselves.
pub fn check(tree: &Tree) -> Vec<Fault> {
    let bound = |f: &&File| {
        let path = f.path.to_string_lossy();
        !SPAWNERS.iter().any(|s| path.starts_with(s)) && !f.path.ends_with("build.rs")
    };
    let lines =
        tree.ending(&["rs"]).filter(bound).flat_map(|f| code_lines(&f.text).map(move |line| (f, line)));
    lines
        .filter(|(_, (_, line))| starts(line))
        .map(|(f, (n, _))| Fault::at(&f.path, n, "starts a process by itself: use `flyover_host::cmd::Cmd`"))
        .collect()
}

fn starts(line: &str) -> bool {
    let free = [format!("clap::{START}"), format!("{START}{UNDER_TEST}")];
    line.contains(START) && !free.iter().any(|f| line.contains(f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_no_exception_and_clap_has_commands_too() {
        let path = "crates/flyover/src/cli/mod.rs";
        let in_tests = format!("#[cfg(test)]\nlet c = {START}\"ip\");\n");
        assert_eq!(check(&Tree::of([(path, &in_tests)])).len(), 1);
        assert!(check(&Tree::of([(path, &format!("clap::{START}\"flyover\")"))])).is_empty());
    }

    #[test]
    fn a_test_may_start_the_program_it_tests() {
        let line = format!("let c = {START}{UNDER_TEST}flyover\"));\n");
        assert!(check(&Tree::of([("crates/flyover/tests/lab.rs", &line)])).is_empty());
    }

    #[test]
    fn only_the_one_module_and_build_scripts_start_processes() {
        let start = format!("let c = {START}\"ip\");\n");
        let tree = Tree::of([
            ("crates/flyover-host/src/cmd.rs", &start),
            ("crates/flyover-fastpath/build.rs", &start),
            ("crates/flyover-net/src/link.rs", &start),
        ]);
        let faults: Vec<_> = check(&tree).into_iter().map(|f| f.path).collect();
        assert_eq!(faults, [std::path::Path::new("crates/flyover-net/src/link.rs")]);
    }
}
