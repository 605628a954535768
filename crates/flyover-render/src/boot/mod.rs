//! Boot loaders of hosts that people administer: a command line, and how it gets where it belongs.
//!
//! Arguments that are to go are taken out by the shell itself, token by token; what else stands on the line stays
//! in its order.

mod bls;
mod grub;

use flyover_plan::Settled;

use crate::args;
use crate::quote::sh;
use crate::unsaid::{self, Part};

pub(crate) use bls::{bls, grubby};
pub(crate) use grub::{grub, snippet};

/// A function of the shell, `flyover_kept`, that prints its arguments but for those that are to go; nothing if none is.
fn kept(settled: &Settled) -> String {
    let patterns: Vec<String> = args::unset(settled).iter().map(|arg| pattern(arg)).collect();
    if patterns.is_empty() {
        return String::new();
    }
    format!(
        "flyover_kept() {{\n    for flyover_arg in \"$@\"; do\n        case $flyover_arg in\n        {}) ;;\n        \
         *) printf '%s ' \"$flyover_arg\" ;;\n        esac\n    done\n}}\n",
        patterns.join(" | ")
    )
}

/// The argument as a pattern of `case`: a bare name means it with any value, and `-` is `_` to the kernel.
fn pattern(arg: &str) -> String {
    let (name, value) = arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value)));
    let parts: Vec<String> =
        name.split(['-', '_']).map(|part| if part.is_empty() { String::new() } else { sh(part) }).collect();
    let name = parts.join("[-_]");
    match value {
        Some(value) => format!("{name}={}", if value.is_empty() { String::new() } else { sh(value) }),
        None => format!("{name} | {name}=*"),
    }
}

/// What a command line does not hold.
fn notes(settled: &Settled, target: &str) -> Vec<String> {
    let parts = [&[Part::Cpu][..], &Part::OF_THE_SYSTEM].concat();
    unsaid::note(settled, target, &parts, "use `flyover node apply`, or `--for shell` beside it")
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_goes_with_any_value_and_a_dash_is_an_underscore() {
        assert_eq!(pattern("quiet"), "quiet | quiet=*");
        assert_eq!(pattern("intel_iommu=off"), "intel[-_]iommu=off");
        assert_eq!(pattern("a=b c*"), "a='b c*'");
        assert_eq!(pattern("a="), "a=");
    }
}
