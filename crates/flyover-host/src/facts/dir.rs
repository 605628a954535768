//! A directory of the host, read attribute by attribute.
//!
//! Invariant: what is absent, unreadable or not what was expected reads as nothing.

use std::path::PathBuf;
use std::str::FromStr;

use flyover_core::HostPath;

use crate::root::HostRoot;

/// A directory of the host.
#[derive(Clone)]
pub(super) struct Dir<'a> {
    host: &'a HostRoot,
    path: HostPath,
}

impl<'a> Dir<'a> {
    /// The directory at a path written in the source.
    pub(super) fn at(host: &'a HostRoot, path: &str) -> Self {
        Self { host, path: HostPath::fixed(path) }
    }

    /// Where something in it is.
    pub(super) fn path(&self, name: &str) -> HostPath {
        self.path.join(name).expect("a name in a directory is neither empty nor `..`")
    }

    /// A directory in it.
    pub(super) fn below(&self, name: &str) -> Self {
        Self { host: self.host, path: self.path(name) }
    }

    /// The text of a file in it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.host.text(&self.path(name))
    }

    /// What a file in it says, where it says it in its grammar.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// What a file in it says, or the value that means nothing.
    pub(super) fn parsed_or_default<T: FromStr + Default>(&self, name: &str) -> T {
        self.parsed(name).unwrap_or_default()
    }

    /// Names in it.
    pub(super) fn names(&self) -> Vec<String> {
        self.host.names(&self.path)
    }

    /// Names in it that are wanted.
    pub(super) fn names_like(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
        self.host.names_like(&self.path, wanted)
    }

    /// Numbers behind a prefix among its names, in the order of numbers: `node0`, `node1`, `node10`.
    pub(super) fn numbered(&self, prefix: &str) -> Vec<(u32, Self)> {
        let number = |name: &str| name.strip_prefix(prefix)?.parse().ok();
        let names = self.names_like(&|name| number(name).is_some());
        let mut found: Vec<_> =
            names.iter().filter_map(|name| Some((number(name)?, self.below(name)))).collect();
        found.sort_by_key(|(number, _)| *number);
        found
    }

    /// What a symbolic link in it names.
    pub(super) fn link(&self, name: &str) -> Option<PathBuf> {
        self.host.link(&self.path(name))
    }

    /// The last part of what a symbolic link in it names, where that is a word.
    pub(super) fn link_word<T: FromStr>(&self, name: &str) -> Option<T> {
        self.host.link_name(&self.path(name))?.parse().ok()
    }

    /// Whether there is something of that name in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.host.exists(&self.path(name))
    }
}

/// The first path of a list, written in the source, at which there is something.
pub(super) fn first_present(host: &HostRoot, paths: &[&str]) -> Option<HostPath> {
    paths.iter().map(|path| HostPath::fixed(path)).find(|path| host.exists(path))
}
