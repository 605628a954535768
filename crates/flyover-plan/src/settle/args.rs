//! Arguments asked for by name, and contradictions among all that are asked for.

use flyover_api::When;
use flyover_core::facts::CpuVendor;
use flyover_core::{ArgEdit, KernelArg, KernelArgs, Refusal};

use super::Draft;

/// What sets hugepages aside. It is asked for by name or by `hugepages.pages`, not by both.
const HUGEPAGES: [&str; 3] = ["hugepages", "hugepagesz", "default_hugepagesz"];

pub(super) fn settle(draft: &mut Draft<'_>) {
    let spec = &draft.spec.kernel_args;
    for (i, arg) in spec.present.iter().enumerate() {
        let field = format!("kernelArgs.present[{i}]");
        if let Some(pattern) = spec.absent.iter().find(|pattern| pattern.matches(arg)) {
            draft.refuse(
                Refusal::invalid(&field, format!("{arg} is to be present, and {pattern} absent"))
                    .hint("keep one of them"),
            );
        }
        if is_counted_twice(draft, arg.name()) {
            draft.refuse(by_hand_too(&field, arg));
        } else if let Some(why) = means_nothing(draft, arg) {
            draft.note(format!("{arg} is left out: {why}"));
        } else if !draft.settled.args.set.contains(arg) {
            draft.ask_for(arg.clone(), field);
        }
    }
    for (i, pattern) in spec.absent.iter().enumerate() {
        let as_arg = KernelArgs::parse(&pattern.to_string());
        if let Some(arg) = as_arg.iter().find(|arg| is_counted_twice(draft, arg.name())) {
            draft.refuse(by_hand_too(&format!("kernelArgs.absent[{i}]"), arg));
        } else if !draft.settled.args.unset.contains(pattern) {
            draft.settled.args.unset.push(pattern.clone());
        }
    }
}

/// Whether `hugepages` of the profile says what this argument would.
fn is_counted_twice(draft: &Draft<'_>, name: &str) -> bool {
    let spec = &draft.spec.hugepages;
    HUGEPAGES.contains(&name)
        && (spec.default_size.is_some() || spec.pages.iter().any(|pool| pool.when == When::Boot))
}

fn by_hand_too(field: &str, arg: &KernelArg) -> Refusal {
    Refusal::invalid(field, format!("{} is set by `hugepages` of this profile", arg.name()))
        .hint("say all of it in `hugepages`, or all of it in `kernelArgs`")
}

/// Why an argument would do nothing on this host.
fn means_nothing(draft: &Draft<'_>, arg: &KernelArg) -> Option<&'static str> {
    match (arg.name(), draft.facts.cpu.vendor) {
        ("amd_iommu", CpuVendor::Amd) if arg.value() == Some("on") => {
            Some("the kernel knows no such value; an AMD IOMMU is on unless turned off")
        }
        ("amd_iommu", CpuVendor::Amd) | ("intel_iommu", CpuVendor::Intel) => None,
        ("amd_iommu", _) => Some("the processor is not AMD's"),
        ("intel_iommu", _) => Some("the processor is not Intel's"),
        _ => None,
    }
}

/// All that is asked for, by whichever field, must hold at once.
pub(super) fn check(draft: &mut Draft<'_>) {
    let edit = draft.settled.args.clone();
    let line = KernelArgs::default().edited(&edit);
    let broken: Vec<(usize, &KernelArg)> =
        edit.set.iter().enumerate().filter(|(_, arg)| !line.satisfies(arg)).collect();
    for (i, arg) in broken {
        let rivals = rivals(&edit, i);
        let why = draft.settled.args_why.get(i).map_or("", String::as_str);
        let what = format!("{arg} ({why}) cannot hold together with {}", rivals.join(" "));
        draft.refuse(Refusal::invalid("kernelArgs", what).hint("keep one of them"));
    }
    for pattern in edit.unset.iter().filter(|pattern| line.iter().any(|arg| pattern.matches(arg))) {
        // Those asked for by name are refused where they stand.
        let ours =
            edit.set.iter().find(|arg| pattern.matches(arg) && !draft.spec.kernel_args.present.contains(arg));
        if let Some(arg) = ours {
            let what = format!("the profile asks for {arg} elsewhere, and for {pattern} to be absent");
            draft.refuse(Refusal::invalid("kernelArgs.absent", what).hint("keep one of them"));
        }
    }
}

fn rivals(edit: &ArgEdit, at: usize) -> Vec<String> {
    let name = edit.set[at].name();
    let others = edit.set.iter().enumerate().filter(|(i, arg)| *i != at && arg.name() == name);
    others.map(|(_, arg)| arg.to_string()).collect()
}
