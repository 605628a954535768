//! The kernel arguments of a profile in the forms that targets take them in.

use flyover_core::KernelArg;
use flyover_plan::Settled;

/// All that is to be on the command line, as it would stand there.
pub(crate) fn line(settled: &Settled) -> String {
    settled.args.set.iter().map(KernelArg::raw).collect::<Vec<_>>().join(" ")
}

/// Names, or names with values, that are to go.
pub(crate) fn unset(settled: &Settled) -> Vec<String> {
    settled.args.unset.iter().map(ToString::to_string).collect()
}

/// Entries for a list from which each is added only if it is not there yet. A size of hugepages and its count are
/// one entry: alone, the second `hugepages=4` would count as there already, and no other order has their meaning.
pub(crate) fn entries<'a>(args: impl IntoIterator<Item = &'a KernelArg>) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    let mut after_size = false;
    for arg in args {
        match entries.last_mut() {
            Some(last) if after_size && arg.name() == "hugepages" => {
                last.push(' ');
                last.push_str(arg.raw());
            }
            _ => entries.push(arg.raw().to_owned()),
        }
        after_size =
            matches!(arg.name(), "hugepagesz" | "hugepages") && after_size || arg.name() == "hugepagesz";
    }
    entries
}

/// Whether the argument is about how many hugepages there are, or which are the default.
pub(crate) fn is_of_hugepages(arg: &KernelArg) -> bool {
    matches!(arg.name(), "hugepagesz" | "hugepages" | "default_hugepagesz")
}

/// What lets vfio have devices without an IOMMU where there are no units, unless an option of the module does.
pub(crate) fn noiommu(settled: &Settled) -> Option<&'static str> {
    let mut options = settled.modules.iter().filter(|(module, _)| module.as_str() == "vfio");
    let is_option = options.any(|(_, options)| options.contains_key("enable_unsafe_noiommu_mode"));
    (settled.unsafe_noiommu && !is_option).then_some("vfio.enable_unsafe_noiommu_mode=1")
}

/// Each argument with the reason it is there.
pub(crate) fn reasons(settled: &Settled) -> String {
    let reasons = settled.args.set.iter().zip(&settled.args_why);
    reasons.map(|(arg, why)| format!("{}: {why}\n", arg.raw())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Vec<String> {
        let args: Vec<KernelArg> = line.split(' ').map(|arg| arg.parse().unwrap()).collect();
        entries(&args)
    }

    #[test]
    fn a_size_of_hugepages_stays_with_its_count() {
        assert_eq!(
            of("iommu=pt default_hugepagesz=1G hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=4 quiet"),
            [
                "iommu=pt",
                "default_hugepagesz=1G",
                "hugepagesz=1G hugepages=4",
                "hugepagesz=2M hugepages=4",
                "quiet"
            ]
        );
    }

    #[test]
    fn a_count_without_a_size_stands_alone() {
        assert_eq!(of("quiet hugepages=512"), ["quiet", "hugepages=512"]);
    }
}
