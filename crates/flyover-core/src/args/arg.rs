//! One argument of the kernel, split as `next_arg()` of lib/cmdline.c splits it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// One argument with the text it was written in, e.g. `intel_iommu=on` or `dyndbg="file a.c +p"`. Two are equal
/// if their texts are; whether one does what another asks, [`KernelArgs::satisfies`](crate::KernelArgs) tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KernelArg {
    raw: String,
}

/// Why a string is not one argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one kernel argument (expected e.g. iommu=pt, with quotes around blanks)")]
pub struct BadKernelArg(String);

impl KernelArg {
    /// A token as it stands on a command line, whatever it is.
    pub(super) fn of(raw: &str) -> Self {
        Self { raw: raw.to_owned() }
    }

    /// The text as it was written.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The name as it was written; to the kernel `-` and `_` are the same in it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.split().0
    }

    /// What is behind the first `=`, without the quotes around it.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.split().1
    }

    /// The name with `_` throughout: equal for names the kernel takes for the same.
    pub(super) fn key(&self) -> String {
        self.name().replace('-', "_")
    }

    /// Whether both have the same name to the kernel.
    pub(super) fn is_about(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// Whether a quote is open at the end, so that it swallows all that follows.
    pub(super) fn is_unclosed(&self) -> bool {
        self.raw.matches('"').count() % 2 == 1
    }

    /// Whether this is the `--` behind which the arguments of init stand.
    pub(super) fn ends_kernel_args(&self) -> bool {
        self.split() == ("--", None)
    }

    fn split(&self) -> (&str, Option<&str>) {
        let quoted = self.raw.starts_with('"');
        let text = self.raw.strip_prefix('"').unwrap_or(&self.raw);
        // A quote at the end closes the quote of the whole or that of the value, never both.
        let unquoted = text.strip_suffix('"').unwrap_or(text);
        // The kernel does not see a `=` in the first place: its zero means "none yet".
        let equals = text.bytes().skip(1).position(|b| b == b'=').map(|at| at + 1);
        let Some(equals) = equals else { return (if quoted { unquoted } else { text }, None) };
        let value = match text[equals + 1..].strip_prefix('"') {
            Some("") => "",
            Some(value) => value.strip_suffix('"').unwrap_or(value),
            None if quoted => unquoted.get(equals + 1..).unwrap_or_default(),
            None => &text[equals + 1..],
        };
        (&text[..equals], Some(value))
    }
}

/// What `isspace()` of the kernel says of ASCII.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Cuts the first token off `text`, which does not begin with a blank. Blanks between quotes do not end it; a
/// quote that nothing closes runs to the end.
pub(super) fn cut_token(text: &str) -> (&str, &str) {
    let mut in_quote = false;
    let end = text.find(|c| {
        in_quote ^= c == '"';
        is_blank(c) && !in_quote
    });
    text.split_at(end.unwrap_or(text.len()))
}

impl FromStr for KernelArg {
    type Err = BadKernelArg;

    fn from_str(s: &str) -> Result<Self, BadKernelArg> {
        let arg = Self { raw: s.to_owned() };
        let whole = cut_token(s).1.is_empty() && !s.chars().any(char::is_control);
        let named = !arg.name().is_empty() && !arg.name().starts_with('=') && !arg.ends_kernel_args();
        if whole && named && !arg.is_unclosed() { Ok(arg) } else { Err(BadKernelArg(s.to_owned())) }
    }
}

impl fmt::Display for KernelArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.raw)
    }
}

string_form!(KernelArg, BadKernelArg);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_argument_survives_printing_and_parsing(s in r#"[a-z_"=. -]{1,12}"#) {
            if let Ok(arg) = s.parse::<KernelArg>() {
                prop_assert_eq!(arg.to_string().parse::<KernelArg>().unwrap(), arg);
            }
        }

        #[test]
        fn any_text_has_a_name_and_maybe_a_value(s in r#"[a"= é]{0,8}"#) {
            let arg = KernelArg::of(&s);
            prop_assert!(arg.name().len() + arg.value().map_or(0, str::len) <= s.len());
        }
    }

    #[test]
    fn quotes_are_lost_in_meaning_as_in_the_kernel() {
        for (raw, name, value) in [
            ("quiet", "quiet", None),
            ("a=b=c", "a", Some("b=c")),
            ("a=", "a", Some("")),
            (r#"a="b c""#, "a", Some("b c")),
            (r#""a=b c""#, "a", Some("b c")),
            (r#""a b""#, "a b", None),
            (r#""a="b""#, "a", Some("b")),
            (r#"a=b" "c"#, "a", Some(r#"b" "c"#)),
            (r#"a=b"c""#, "a", Some(r#"b"c""#)),
            (r#"a=""#, "a", Some("")),
            (r#"a="b c"#, "a", Some("b c")),
            ("=a=b", "=a", Some("b")),
            (r#"""#, "", None),
        ] {
            let arg = KernelArg::of(raw);
            assert_eq!((arg.name(), arg.value()), (name, value), "{raw}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_argument_is_refused() {
        for bad in ["", " ", "a b", " a", "a ", "--", r#""--""#, r#"a="b"#, r#""""#, "=b", "a\n", "a=\"\n\""]
        {
            assert!(bad.parse::<KernelArg>().is_err(), "{bad:?}");
        }
        assert!("dyndbg=\"file a.c +p\"".parse::<KernelArg>().is_ok());
    }
}
