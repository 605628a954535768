//! The rules of the house that no compiler holds: which room may know which, what stands at the head of a
//! file and how long it may be, what we may depend on, and that a promise names what holds it.
//!
//! Invariant: a rule is a function from the [`Tree`] or the [`Packages`] to faults; only those two read the
//! machine. What may change over time stands in [`tables`], each line with its reason.

mod fault;
mod packages;
mod rules;
mod source;
pub mod tables;
mod tree;

use std::path::Path;

pub use fault::Fault;
pub use packages::{Dependency, Package, Packages, Reach};
pub use rules::{contract, dependencies, floors, heads, processes, purity, sizes, unfinished};
pub use tree::{File, Tree};

/// Every fault of the workspace at `root`, in the order of their places.
pub fn check(root: &Path) -> anyhow::Result<Vec<Fault>> {
    let tree = Tree::read(root)?;
    let packages = Packages::read(root)?;
    let mut faults = [
        floors::check(&packages),
        floors::lints(&packages, &tree),
        purity::dependencies(&packages),
        purity::sources(&tree),
        dependencies::licences(&packages),
        dependencies::duplicates(&packages),
        heads::check(&tree),
        sizes::check(&tree),
        unfinished::check(&tree),
        processes::check(&tree),
        contract::check(&tree),
    ]
    .concat();
    faults.sort();
    Ok(faults)
}
