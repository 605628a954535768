//! Settles a profile for hosts like this one, to be written in the form of a system that makes the changes itself.

use flyover_api::{Iommu, NodeProfileSpec};
use flyover_core::facts::{CpuVendor, HostFacts};
use flyover_core::{HostPath, Refusal};

use super::settle;
use crate::Settled;

/// As [`settle`], for hosts of this kind rather than this one: it does not matter who changes this host's image, and an
/// argument that this kernel needs not is said all the same.
pub fn settle_elsewhere(spec: &NodeProfileSpec, facts: &HostFacts) -> Result<Settled, Vec<Refusal>> {
    let mut facts = facts.clone();
    facts.os.managed = None;
    facts.os.systemd = true;
    facts.boot.loader.get_or_insert_with(|| flyover_core::facts::Loader::Bls {
        entries: HostPath::fixed("/boot/loader/entries"),
        grubby: false,
        defaults: None,
    });
    let mut settled = settle(spec, &facts)?;
    let on = matches!(spec.iommu, Some(Iommu::On | Iommu::Passthrough));
    let arg = "intel_iommu=on".parse().expect("it is a well-formed argument");
    if on && facts.cpu.vendor == CpuVendor::Intel && !settled.args.set.contains(&arg) {
        settled.args.set.push(arg);
        settled.args_why.push(
            "iommu: on, and the processor is Intel's; not every kernel turns it on by itself".to_owned(),
        );
        settled.notes.retain(|note| !note.contains("without an argument"));
    }
    Ok(settled)
}
