//! Sysctls asked for by name.

use flyover_core::Refusal;

use super::Draft;

/// Sysctls that set what `hugepages.pages` sets.
const HUGEPAGES: [&str; 2] = ["vm.nr_hugepages", "vm.nr_hugepages_mempolicy"];

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
        if words.is_empty() || value.contains(['\n', '\r', '\0']) {
            draft.refuse(Refusal::invalid(field, "it has no value in one line").hint("for example: \"1\""));
            continue;
        }
        // The kernel prints blanks between numbers as tabs; one blank stands for any of them.
        draft.settled.sysctls.insert(key.clone(), words.join(" "));
    }
}
