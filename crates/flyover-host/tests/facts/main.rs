//! Facts of hosts that nobody has on the table, and of one that somebody had.

mod capture;
mod guard;
mod hardware;
mod system;

use flyover_core::facts::HostFacts;
use flyover_host::facts::{Inspection, inspect};
use flyover_host::tree::HostTree;
use flyover_testkit::hosts::Unpacked;

/// The facts of a host that is a tree.
fn facts(tree: &HostTree) -> HostFacts {
    facts_asked(tree, &Inspection::default())
}

fn facts_asked(tree: &HostTree, asked: &Inspection) -> HostFacts {
    let unpacked = Unpacked::of(tree).expect("a tree is a directory");
    inspect(&unpacked.host, asked).expect("the host has a command line")
}

/// Words as a list of text, to compare at a glance.
fn texts<T: ToString>(words: impl IntoIterator<Item = T>) -> Vec<String> {
    words.into_iter().map(|word| word.to_string()).collect()
}
