//! Decides what a profile leaves open, and refuses what contradicts itself or does not fit the host.
//!
//! Invariants: all refusals are collected, so that a user mends a profile once; what is settled depends on nothing
//! that carrying it out changes, so that the same profile settles to the same before and after it is applied.

mod args;
mod cpu;
mod drivers;
mod elsewhere;
mod files;
mod hugepages;
mod iommu;
mod managed;
mod modules;
mod mounts;
mod recall;
mod services;
mod sysctls;

use flyover_api::NodeProfileSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{KernelArg, Refusal};

use crate::Settled;

pub(crate) use drivers::is_vfio;
pub use elsewhere::settle_elsewhere;
pub(crate) use files::usual_mode;
pub(crate) use hugepages::there;
pub(crate) use iommu::is_coming;
pub use recall::recall;

/// Decides everything `spec` leaves open on the host of `facts`, which [`recall`] has completed.
pub fn settle(spec: &NodeProfileSpec, facts: &HostFacts) -> Result<Settled, Vec<Refusal>> {
    let settled = Settled { unsafe_noiommu: spec.unsafe_noiommu, ..Settled::default() };
    let mut draft = Draft { spec, facts, settled, refusals: Vec::new() };
    iommu::settle(&mut draft);
    cpu::settle(&mut draft);
    hugepages::settle(&mut draft);
    mounts::settle(&mut draft);
    args::settle(&mut draft);
    drivers::settle(&mut draft);
    args::check(&mut draft);
    modules::settle(&mut draft);
    sysctls::settle(&mut draft);
    services::settle(&mut draft);
    files::settle(&mut draft);
    managed::settle(&mut draft);
    if draft.refusals.is_empty() { Ok(draft.settled) } else { Err(draft.refusals) }
}

/// A profile half settled.
struct Draft<'a> {
    spec: &'a NodeProfileSpec,
    facts: &'a HostFacts,
    settled: Settled,
    refusals: Vec<Refusal>,
}

impl Draft<'_> {
    fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.settled.notes.contains(&note) {
            self.settled.notes.push(note);
        }
    }

    /// Asks for an argument of ours. Those written by hand come from the spec and are checked there.
    fn ask(&mut self, arg: &str, why: impl Into<String>) {
        let arg: KernelArg =
            arg.parse().expect("arguments of ours are made of words without blanks or quotes");
        self.ask_for(arg, why);
    }

    fn ask_for(&mut self, arg: KernelArg, why: impl Into<String>) {
        self.settled.args.set.push(arg);
        self.settled.args_why.push(why.into());
    }

    /// Asks that an argument be absent.
    fn forbid(&mut self, pattern: &str) {
        let pattern = pattern.parse().expect("patterns of ours are made of words without blanks or quotes");
        if !self.settled.args.unset.contains(&pattern) {
            self.settled.args.unset.push(pattern);
        }
    }
}
