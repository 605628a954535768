//! Which sizes of hugepages a host has.
//!
//! The kernel lists those it offers; on x86 it may take its command line to make it offer what the processor can.

use flyover_core::facts::{CpuVendor, HostFacts};
use flyover_core::{HugepageSize, Refusal};

/// Whether pages of a size can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settle) enum Offer {
    /// The running kernel has them.
    Now,
    /// The processor has them, and the kernel once its command line names them.
    AtBoot,
    /// Neither.
    Never,
}

/// Whether this host has pages of that size.
pub(in crate::settle) fn offer(facts: &HostFacts, size: HugepageSize) -> Offer {
    if facts.memory.hugepages.contains_key(&size) {
        return Offer::Now;
    }
    let x86 = matches!(facts.cpu.vendor, CpuVendor::Intel | CpuVendor::Amd);
    let flag = flag_of(size).is_some_and(|flag| facts.cpu.flags.contains(flag));
    if x86 && flag && !facts.memory.hugepages.is_empty() { Offer::AtBoot } else { Offer::Never }
}

fn flag_of(size: HugepageSize) -> Option<&'static str> {
    match size {
        HugepageSize::TWO_MIB => Some("pse"),
        HugepageSize::ONE_GIB => Some("pdpe1gb"),
        _ => None,
    }
}

/// The refusal of a size this host does not have.
pub(in crate::settle) fn no_such_size(facts: &HostFacts, field: &str, size: HugepageSize) -> Refusal {
    let sizes: Vec<String> = facts.memory.hugepages.keys().map(HugepageSize::to_string).collect();
    let refusal = Refusal::impossible(field, format!("this host has no hugepages of {size}"));
    let x86 = matches!(facts.cpu.vendor, CpuVendor::Intel | CpuVendor::Amd);
    match (sizes.is_empty(), flag_of(size)) {
        (true, _) => refusal.hint("the running kernel was built without hugetlbfs"),
        (_, Some(flag)) if x86 => refusal.hint(format!(
            "the processor's flag {flag} is missing; there are {}. In a VM, pass the host's processor through",
            sizes.join(", ")
        )),
        _ => refusal.hint(format!("there are {}", sizes.join(", "))),
    }
}
