//! Every word that parses is printed so that it parses to the same again; no text makes a parser panic.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use flyover_core::{Flow, IfName, IfPattern, MacAddr};
use libfuzzer_sys::fuzz_target;

fn survives<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(word) = text.parse::<T>() {
        let again = word.to_string().parse::<T>().ok();
        assert_eq!(again.as_ref(), Some(&word), "`{text}` printed as `{word}`");
    }
}

fuzz_target!(|text: &str| {
    survives::<Flow>(text);
    survives::<IfName>(text);
    survives::<IfPattern>(text);
    survives::<MacAddr>(text);
});
