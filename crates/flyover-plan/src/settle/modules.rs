//! Modules asked for by name, beside those the drivers need.

use std::collections::BTreeMap;

use flyover_core::{ModuleName, Refusal};

use super::Draft;

pub(super) fn settle(draft: &mut Draft<'_>) {
    let specs = &draft.spec.modules;
    for (i, module) in specs.iter().enumerate() {
        let field = format!("modules[{i}]");
        if let Some(other) = specs[..i].iter().position(|other| other.name == module.name) {
            let what = format!("{} is asked for at modules[{other}] too", module.name);
            draft.refuse(Refusal::invalid(format!("{field}.name"), what).hint("keep one of them"));
        }
        for (name, value) in &module.options {
            if !is_option(name, value) {
                let what = format!("`{name}={value}` is not an option of a module");
                let hint = "a name of letters, digits and _, and a value without blanks or quotes";
                draft.refuse(Refusal::invalid(format!("{field}.options"), what).hint(hint));
            }
        }
        add(draft, &field, &module.name, &module.options);
    }
}

/// Adds a module with options. One that is there already keeps its own, and contradictions are refused.
fn add(draft: &mut Draft<'_>, field: &str, name: &ModuleName, options: &BTreeMap<String, String>) {
    let there = draft.settled.modules.entry(name.clone()).or_default();
    let mut refusals = Vec::new();
    for (option, value) in options {
        match there.get(option) {
            Some(other) if other != value => {
                let what = format!(
                    "{option} of {name} is to be {value}, and {other} for the drivers of this profile"
                );
                refusals
                    .push(Refusal::invalid(format!("{field}.options"), what).hint("leave the option out"));
            }
            _ => drop(there.insert(option.clone(), value.clone())),
        }
    }
    draft.refusals.extend(refusals);
}

fn is_option(name: &str, value: &str) -> bool {
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    named && !value.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"' || c == '\'' || c == '#')
}
