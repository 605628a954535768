//! The IOMMU: which arguments turn it on or off depends on who made the processor.
//!
//! Invariant: an argument that is in force stays asked for, or it would be taken back after the reboot it needed.
//! Sources: Documentation/admin-guide/kernel-parameters.txt; drivers/iommu/{intel,amd}. `amd_iommu=on` does not exist.

use flyover_api::Iommu;
use flyover_core::facts::{CpuVendor, HostFacts};
use flyover_core::{KernelArg, Refusal};

use super::Draft;
use crate::Settled;
use crate::plan::missing;

pub(super) fn settle(draft: &mut Draft<'_>) {
    let Some(wish) = draft.spec.iommu else { return };
    draft.settled.iommu = Some(wish);
    match wish {
        Iommu::Off => turn_off(draft),
        Iommu::On => turn_on(draft),
        Iommu::Passthrough => {
            turn_on(draft);
            let arg =
                if draft.facts.cpu.vendor == CpuVendor::Arm { "iommu.passthrough=1" } else { "iommu=pt" };
            draft.ask(arg, "iommu: pass the kernel's own devices through");
        }
    }
}

fn turn_on(draft: &mut Draft<'_>) {
    let facts = draft.facts;
    match facts.cpu.vendor {
        CpuVendor::Intel => {
            if facts.iommu_is_on() && !runs_with(facts, "intel_iommu=on") {
                draft.note("the IOMMU is on without an argument, so none is added");
                draft.forbid("intel_iommu=off");
            } else {
                draft.ask("intel_iommu=on", "iommu: the processor is Intel's");
            }
            draft.forbid("iommu=off");
        }
        CpuVendor::Amd => {
            draft.note("an AMD IOMMU is on unless an argument turns it off, so none is added");
            draft.forbid("amd_iommu=off");
            draft.forbid("iommu=off");
        }
        CpuVendor::Arm | CpuVendor::Other => {
            draft.note("the IOMMU is on where the firmware describes one; no argument turns it on here");
        }
    }
}

fn turn_off(draft: &mut Draft<'_>) {
    let arg = match draft.facts.cpu.vendor {
        CpuVendor::Intel => "intel_iommu=off",
        CpuVendor::Amd => "amd_iommu=off",
        CpuVendor::Arm | CpuVendor::Other => {
            return if draft.facts.iommu_is_on() {
                draft.refuse(
                    Refusal::impossible("iommu", "no argument turns the IOMMU of this processor off")
                        .hint("say `iommu: passthrough`"),
                );
            };
        }
    };
    if draft.facts.iommu_is_on() || runs_with(draft.facts, arg) {
        draft.ask(arg, "iommu: turn it off");
    } else {
        draft.note("the IOMMU is off already, so no argument is added");
    }
}

fn runs_with(facts: &HostFacts, arg: &str) -> bool {
    arg.parse().is_ok_and(|arg: KernelArg| facts.boot.args.satisfies(&arg))
}

/// Keeps the IOMMU on for devices that are given away, where the profile does not speak of it. The argument that
/// turned it on may be one of an earlier profile, which would go with that.
pub(super) fn keep_on(draft: &mut Draft<'_>) {
    if draft.spec.iommu.is_some() {
        return;
    }
    match draft.facts.cpu.vendor {
        CpuVendor::Intel => {
            let asked =
                draft.settled.args.set.iter().any(|arg| arg.name() == "intel_iommu" && has_word(arg, "on"));
            if asked {
                return;
            }
            if runs_with(draft.facts, "intel_iommu=on") {
                draft.ask("intel_iommu=on", "drivers: vfio-pci needs the IOMMU that it turned on");
            } else {
                draft.forbid("intel_iommu=off");
            }
        }
        CpuVendor::Amd => draft.forbid("amd_iommu=off"),
        CpuVendor::Arm | CpuVendor::Other => return,
    }
    draft.forbid("iommu=off");
}

/// Whether the profile wants the IOMMU on, in whatever words.
pub(super) fn is_asked(settled: &Settled, facts: &HostFacts) -> bool {
    let by_name = settled.args.set.iter().any(|arg| arg.name() == "intel_iommu" && has_word(arg, "on"));
    matches!(settled.iommu, Some(Iommu::On | Iommu::Passthrough))
        || facts.cpu.vendor == CpuVendor::Intel && by_name
}

/// Whether the IOMMU is off now and the command line that is asked for will turn it on.
pub(crate) fn is_coming(settled: &Settled, facts: &HostFacts) -> bool {
    let by_argument = matches!(facts.cpu.vendor, CpuVendor::Intel | CpuVendor::Amd);
    by_argument && is_asked(settled, facts) && !facts.iommu_is_on() && missing(&settled.args, facts).is_some()
}

fn has_word(arg: &KernelArg, word: &str) -> bool {
    arg.value().is_some_and(|value| value.split(',').any(|w| w == word))
}
