//! Every source file begins by saying why it exists; BPF programs also say under which licence the kernel
//! may load them.

use crate::{Fault, File, Tree};

/// The licence of BPF C: the kernel asks for one that is compatible with its own.
pub const BPF_LICENCE: &str = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause";

/// Fewest words of a head that can say anything.
const A_SENTENCE: usize = 3;

/// Faults at the heads of Rust and C files.
pub fn check(tree: &Tree) -> Vec<Fault> {
    let rust = tree.ending(&["rs"]).filter(|f| !says_something(&rust_head(&f.text))).map(|f| {
        Fault::at(&f.path, 1, "has no head: begin with `//!` and a sentence on why the module exists")
    });
    let c = || tree.ending(&["c", "h"]);
    let heads = c().filter(|f| !says_something(&c_head(&f.text)));
    let heads =
        heads.map(|f| Fault::at(&f.path, 1, "has no head: begin with a comment on why the file exists"));
    let licences =
        c().filter(|f| is_bpf(f) && !f.text.lines().next().is_some_and(|l| l.contains(BPF_LICENCE)));
    let licences =
        licences.map(|f| Fault::at(&f.path, 1, format!("the first line is not `// {BPF_LICENCE}`")));
    rust.chain(heads).chain(licences).collect()
}

fn is_bpf(file: &File) -> bool {
    file.path.iter().any(|p| p == "bpf")
}

fn rust_head(text: &str) -> String {
    let head = text.lines().skip_while(|l| l.trim().is_empty()).map_while(|l| l.strip_prefix("//!"));
    head.collect::<Vec<_>>().join(" ")
}

fn c_head(text: &str) -> String {
    let starts = ["//", "/*", " *", "*"];
    let comments =
        text.lines().take_while(|l| l.trim().is_empty() || starts.iter().any(|s| l.starts_with(s)));
    let said = comments.filter(|l| !l.contains("SPDX-License-Identifier") && !l.contains("@generated"));
    said.map(|l| l.trim_matches(|c| " */".contains(c))).collect::<Vec<_>>().join(" ")
}

fn says_something(head: &str) -> bool {
    head.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count() >= A_SENTENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of([(path, text)])).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn a_rust_module_needs_a_sentence_at_its_head() {
        let path = "crates/flyover-core/src/a.rs";
        assert!(faults(path, "//! Addresses as people write them.\n").is_empty());
        assert_eq!(faults(path, "//! Addresses.\n").len(), 1);
        assert_eq!(faults(path, "use std::fmt;\n//! Addresses as people write them.\n").len(), 1);
    }

    #[test]
    fn a_bpf_file_needs_its_licence_first_and_then_a_head() {
        let path = "crates/flyover-fastpath/bpf/a.bpf.c";
        let licence = format!("// {BPF_LICENCE}\n");
        assert!(faults(path, &format!("{licence}/*\n * Keeps the flows of a node.\n */\n")).is_empty());
        assert!(faults(path, &licence)[0].contains("no head"));
        assert!(faults(path, "// Keeps the flows of a node.\n")[0].contains("GPL-2.0-only OR BSD-2-Clause"));
    }
}
