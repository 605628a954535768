//! A host as a text: what `inspect` reads of it, so that another machine can think about it.
//!
//! Invariants: a tree holds what was read and nothing else; [`capture`] redacts it before anybody sees it;
//! nothing in a tree makes unpacking write, or reading look, outside of the directory it is unpacked to.

mod recorded;
mod recorder;
mod redact;
mod text;
mod unpack;

use std::collections::BTreeMap;
use std::sync::Arc;

use flyover_core::facts::HostFacts;
use flyover_core::{Bytes, FileMode, HostPath};

use crate::facts::{Inspection, Reach, inspect};
use crate::root::{HostError, HostRoot};

pub use recorded::Recorded;
pub use text::BadHostTree;
pub use unpack::UnpackError;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Dir,
    /// A plain file, or an attribute of the kernel.
    File {
        /// Its permissions.
        mode: FileMode,
        /// What it holds.
        content: Bytes,
    },
    /// A symbolic link, and what it names.
    Link(String),
}

/// A captured host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTree {
    nodes: BTreeMap<HostPath, Node>,
    answers: BTreeMap<String, String>,
}

impl HostTree {
    /// What is at a path.
    #[must_use]
    pub fn get(&self, path: &HostPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// All paths, sorted.
    pub fn nodes(&self) -> impl Iterator<Item = (&HostPath, &Node)> {
        self.nodes.iter()
    }

    /// All commands whose answers are known.
    pub fn answers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.answers.iter().map(|(command, output)| (command.as_str(), output.as_str()))
    }

    /// Puts something at a path, in place of what is there.
    pub fn put(&mut self, path: HostPath, node: Node) {
        self.nodes.insert(path, node);
    }

    /// Puts a file that all may read at a path.
    pub fn put_text(&mut self, path: HostPath, text: &str) {
        let mode = FileMode::of(0o644);
        self.put(path, Node::File { mode, content: text.into() });
    }

    /// Remembers what a command answered.
    pub fn put_answer(&mut self, command: String, output: String) {
        self.answers.insert(command, output);
    }
}

/// Captures a host, redacted: addresses, names and secrets are replaced or left out, and what decides plans is kept.
pub fn capture(host: &HostRoot, asked: &Inspection) -> Result<HostTree, HostError> {
    let (mut tree, _, reach) = record(host, asked)?;
    redact::redact(&mut tree, &reach);
    Ok(tree)
}

/// What was read of a host, the facts it gave, and its ways.
fn record(host: &HostRoot, asked: &Inspection) -> Result<(HostTree, HostFacts, Reach), HostError> {
    let recorder = Arc::new(recorder::Recorder::new(Arc::clone(host.outside())));
    let watched = HostRoot::new(host.root(), Arc::clone(&recorder) as _);
    let facts = inspect(&watched, asked)?;
    let reach = Reach::read(&watched, &asked.ssh_peers);
    Ok((recorder.taken(), facts, reach))
}

#[cfg(test)]
mod tests;
