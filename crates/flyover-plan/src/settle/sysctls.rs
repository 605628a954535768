//! Sysctls asked for by name.

use flyover_core::Refusal;

use super::Draft;

/// Sysctls that set what `hugepages.pages` sets.
const HUGEPAGES: [&str; 2] = ["vm.nr_hugepages", "vm.nr_hugepages_mempolicy"];

/// Sysctls that the kernel lets nobody set back, with the value that is final; none is any value.
///
/// Source: `extra1` of their tables, `yama_dointvec_minmax()` and `bpf_unpriv_handler()`.
const ONE_WAY: [(&str, Option<&str>); 4] = [
    ("kernel.kexec_load_disabled", None),
    ("kernel.modules_disabled", None),
    ("kernel.unprivileged_bpf_disabled", Some("1")),
    ("kernel.yama.ptrace_scope", Some("3")),
];

pub(super) fn settle(draft: &mut Draft<'_>) {
    for (key, value) in &draft.spec.sysctls {
        let field = format!("sysctls.{key}");
        if HUGEPAGES.contains(&key.to_string().as_str()) && !draft.spec.hugepages.pages.is_empty() {
            draft.refuse(
                Refusal::invalid(field, "it sets hugepages, and so does `hugepages.pages` of this profile")
                    .hint("leave it out: `hugepages.pages` says size and node, too"),
            );
            continue;
        }
        let words: Vec<&str> = value.split_whitespace().collect();
        if words.is_empty() || value.chars().any(|c| c.is_control() && c != '\t') {
            draft.refuse(Refusal::invalid(field, "it has no value in one line").hint("for example: \"1\""));
            continue;
        }
        if is_one_way(&key.to_string(), &words) {
            let what = format!("{} cannot be undone without a reboot", words.join(" "));
            draft.refuse(
                Refusal::invalid(field, what)
                    .hint("leave it out, and set it by a file of your own: /etc/sysctl.d/90-local.conf"),
            );
            continue;
        }
        // The kernel prints blanks between numbers as tabs; one blank stands for any of them.
        draft.settled.sysctls.insert(key.clone(), words.join(" "));
    }
}

fn is_one_way(key: &str, words: &[&str]) -> bool {
    // The kernel reads numbers in C's notation, and a digit is the same in each base.
    let digit = |word: &str| word.to_lowercase().trim_start_matches("0x").trim_start_matches('0').to_owned();
    ONE_WAY.iter().any(|(one_way, last)| {
        *one_way == key && last.is_none_or(|last| words.first().is_some_and(|word| digit(word) == last))
    })
}
