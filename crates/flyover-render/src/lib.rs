//! Renders a settled profile for systems that manage the node's image themselves, and what is installed in a cluster;
//! cannot fail.
//!
//! Invariants: pure, and the same profile gives the same bytes; whatever stands in a profile, it is quoted so that
//! a reader of the format gets back what was put in. What a format cannot say is said in the notes, never left out
//! in silence. A new target is a variant of [`Target`] and a module.

mod args;
mod boot;
mod bottlerocket;
mod doc;
mod ignition;
pub mod install;
mod kubelet;
mod machineconfig;
mod performance;
mod quote;
mod shell;
mod talos;
mod target;
mod tuned;
mod unsaid;

use flyover_plan::Settled;

pub use target::{BadTarget, Target};

/// What the objects are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The profile's name, which becomes part of the objects' names.
    pub name: String,
    /// The role of the nodes it is for: `worker`.
    pub role: String,
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// A name for its file.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What a profile is for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One document or more; the first is the principal one.
    pub files: Vec<Document>,
    /// What a person should know, above all what the target cannot say.
    pub notes: Vec<String>,
}

impl Rendered {
    fn one(name: &str, text: String, notes: Vec<String>) -> Self {
        Self { files: vec![Document { name: name.to_owned(), text }], notes }
    }
}

/// The profile for a target.
#[must_use]
pub fn render(settled: &Settled, target: Target, meta: &Meta) -> Rendered {
    let mut rendered = match target {
        Target::MachineConfig => machineconfig::render(settled, meta),
        Target::Ignition => ignition::render(settled),
        Target::PerformanceProfile => performance::render(settled, meta),
        Target::Grub => boot::grub(settled),
        Target::Grubby => boot::grubby(settled),
        Target::Bls => boot::bls(settled),
        Target::Talos => talos::render(settled),
        Target::Bottlerocket => bottlerocket::render(settled),
        Target::Flatcar => ignition::render_flatcar(settled),
        Target::Kubelet => kubelet::render(settled),
        Target::Tuned => tuned::render(settled),
        Target::Shell => shell::render(settled),
    };
    rendered.notes.extend(settled.notes.iter().cloned());
    if settled.unsafe_noiommu {
        rendered.notes.push(
            "unsafe_noiommu: whoever has such a device can write all of the host's memory; taint the node"
                .to_owned(),
        );
    }
    rendered
}
