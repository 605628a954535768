//! How the kernel takes arguments that stand there more than once or hold a list, and when one is effective.
//!
//! Source: Documentation/admin-guide/kernel-parameters.txt and the parsers named in each row.

use super::arg::KernelArg;
use super::hugepages;
use crate::CpuSet;

/// An argument whose value is a list of words.
#[derive(Debug)]
pub(super) struct List {
    key: &'static str,
    /// Whether the words of all occurrences count; else those of the last one alone.
    adds_up: bool,
    /// Words that exclude one another: of each group the last one counts.
    rivals: &'static [&'static [&'static str]],
    /// Rivals that nothing takes back, wherever they stand.
    final_words: &'static [&'static str],
}

/// Arguments that are lists. Rows give the reason; what is not here is taken as a whole.
const LISTS: [List; 6] = [
    // intel_iommu_setup() walks the words of each occurrence and sets a flag for each: `on` undoes `off`.
    List {
        key: "intel_iommu",
        adds_up: true,
        rivals: &[&["on", "off"], &["sm_on", "sm_off"]],
        final_words: &[],
    },
    // parse_amd_iommu_options() sets flags; no word clears what `off` has set, and `on` is unknown to it.
    List {
        key: "amd_iommu",
        adds_up: true,
        rivals: &[&["on", "off"], &["force_enable", "off"], &["pgtbl_v1", "pgtbl_v2"]],
        final_words: &["off"],
    },
    // iommu_setup() of x86 walks the words; without an IOMMU (`off`) there is nothing to pass through or translate.
    List {
        key: "iommu",
        adds_up: true,
        rivals: &[
            &["pt", "nopt", "off"],
            &["force", "noforce", "off"],
            &["merge", "nomerge"],
            &["panic", "nopanic"],
        ],
        final_words: &["off"],
    },
    // parse_efi_cmdline() looks for each word in each occurrence.
    List {
        key: "efi",
        adds_up: true,
        rivals: &[&["runtime", "noruntime"], &["disable_early_pci_dma", "no_disable_early_pci_dma"]],
        final_words: &[],
    },
    // pci_setup() walks the words of each occurrence.
    List {
        key: "pci",
        adds_up: true,
        rivals: &[
            &["pcie_bus_tune_off", "pcie_bus_safe", "pcie_bus_perf", "pcie_bus_peer2peer"],
            &["realloc", "realloc=on", "realloc=off"],
        ],
        final_words: &[],
    },
    // mitigations_parse_cmdline() compares the whole value, so each occurrence replaces the one before;
    // `auto,nosmt` does all that `auto` does.
    List { key: "mitigations", adds_up: false, rivals: &[&["auto", "off"]], final_words: &[] },
];

/// Arguments whose value is a list of CPUs. Housekeeping refuses a second `isolcpus=` or `nohz_full=` that
/// differs, so one that differs from what is wanted never holds, wherever it stands.
const CPU_LISTS: [&str; 6] =
    ["isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity", "kthread_cpus", "workqueue.unbound_cpus"];

/// Arguments of which each occurrence counts as a whole: to replace one would lose what another says.
const REPEATED: [&str; 13] = [
    "console",
    "crashkernel",
    "dyndbg",
    "earlycon",
    "ip",
    "memmap",
    "rd.luks.uuid",
    "rd.lvm.lv",
    "rd.md.uuid",
    "systemd.mask",
    "systemd.setenv",
    "systemd.wants",
    "video",
];

/// How an argument is taken.
#[derive(Debug)]
pub(super) enum Rule {
    /// The last occurrence counts.
    Plain,
    /// Words count.
    List(&'static List),
    /// The set of CPUs counts.
    Cpus,
    /// Every occurrence counts.
    Repeated,
    /// The order among its family counts.
    Hugepages,
}

impl Rule {
    pub(super) fn of(arg: &KernelArg) -> Self {
        let key = arg.key();
        if let Some(list) = LISTS.iter().find(|list| list.key == key && words(arg).next().is_some()) {
            Self::List(list)
        } else if CPU_LISTS.contains(&key.as_str()) {
            Self::Cpus
        } else if hugepages::is_understood(arg) {
            Self::Hugepages
        } else if REPEATED.contains(&key.as_str()) || hugepages::FAMILY.contains(&key.as_str()) {
            Self::Repeated
        } else {
            Self::Plain
        }
    }
}

pub(super) fn satisfies(args: &[KernelArg], want: &KernelArg) -> bool {
    let same: Vec<&KernelArg> = args.iter().filter(|arg| arg.is_about(want)).collect();
    match Rule::of(want) {
        Rule::Plain => same.last().is_some_and(|arg| arg.value() == want.value()),
        Rule::List(list) => words(want).all(|word| list.is_effective(&same, word)),
        Rule::Cpus => !same.is_empty() && same.iter().all(|arg| includes(arg, want)),
        Rule::Repeated => same.iter().any(|arg| arg.value() == want.value()),
        Rule::Hugepages => hugepages::satisfies(args, want),
    }
}

/// Whether `arg`, taken alone, does what `want` asks.
pub(super) fn includes(arg: &KernelArg, want: &KernelArg) -> bool {
    arg.is_about(want)
        && match Rule::of(want) {
            Rule::List(_) => words(want).all(|word| words(arg).any(|w| w == word)),
            Rule::Cpus => cpus(arg) == cpus(want),
            Rule::Hugepages => hugepages::same_value(arg, want),
            Rule::Plain | Rule::Repeated => arg.value() == want.value(),
        }
}

/// Whether `arg` must go before `want` can hold.
pub(super) fn hinders(arg: &KernelArg, want: &KernelArg) -> bool {
    arg.is_about(want)
        && match Rule::of(want) {
            Rule::List(list) => !list.adds_up || words(arg).any(|w| words(want).any(|v| list.excludes(w, v))),
            Rule::Plain | Rule::Cpus => true,
            Rule::Repeated | Rule::Hugepages => false,
        }
}

impl List {
    fn is_effective(&self, same: &[&KernelArg], word: &str) -> bool {
        let counted = if self.adds_up { same } else { &same[same.len().saturating_sub(1)..] };
        let said: Vec<&str> = counted.iter().flat_map(|arg| words(arg)).collect();
        let wins = |group: &&[&str]| {
            let of_group = || said.iter().filter(|w| group.contains(w));
            of_group().find(|w| self.final_words.contains(w)).or(of_group().next_back()) == Some(&word)
        };
        said.contains(&word) && self.rivals.iter().filter(|g| g.contains(&word)).all(wins)
    }

    fn excludes(&self, a: &str, b: &str) -> bool {
        a != b && self.rivals.iter().any(|group| group.contains(&a) && group.contains(&b))
    }
}

fn words(arg: &KernelArg) -> impl Iterator<Item = &str> {
    arg.value().unwrap_or_default().split(',').filter(|word| !word.is_empty())
}

/// The flags in any order and the CPUs. Without a flag `isolcpus=` means `domain`.
fn cpus(arg: &KernelArg) -> Result<(Vec<&str>, CpuSet), Option<&str>> {
    let value = arg.value().ok_or(None)?;
    let mut rest = value;
    let mut flags = Vec::new();
    while arg.key() == "isolcpus" && rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let (flag, behind) = rest.split_once(',').ok_or(Some(value))?;
        flags.push(flag);
        rest = behind;
    }
    flags.sort_unstable();
    flags.dedup();
    if flags.is_empty() {
        flags.push("domain");
    }
    // What is no set of CPUs to us, such as `all`, is compared as text.
    rest.parse().map(|cpus| (flags, cpus)).map_err(|_| Some(value))
}
