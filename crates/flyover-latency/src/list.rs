//! Lists of numbers as the sfnettest tools write them: `1,64,100-200+50,1-1024x2`.

use std::fmt;
use std::str::FromStr;

/// More than anybody wants to wait for, and far below what a slip of the finger can ask for.
const MOST: usize = 100_000;

/// Numbers in the order they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(Vec<u32>);

/// Not a list of numbers.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a list of numbers (expected e.g. 64, 1-10, 100-500+100, 1-1024x2, separated by commas)"
)]
pub struct BadNumbers(String);

impl Numbers {
    /// The numbers.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl From<Vec<u32>> for Numbers {
    fn from(numbers: Vec<u32>) -> Self {
        Self(numbers)
    }
}

impl FromStr for Numbers {
    type Err = BadNumbers;

    fn from_str(s: &str) -> Result<Self, BadNumbers> {
        let mut all = Vec::new();
        for part in s.split(',').filter(|part| !part.is_empty()) {
            expand(part, &mut all).ok_or_else(|| BadNumbers(s.to_owned()))?;
        }
        if all.is_empty() { Err(BadNumbers(s.to_owned())) } else { Ok(Self(all)) }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

/// Appends what a number or a range stands for; `None` if it is neither, or does not end.
fn expand(part: &str, into: &mut Vec<u32>) -> Option<()> {
    let Some((low, rest)) = part.split_once('-') else {
        into.push(part.parse().ok()?);
        return Some(());
    };
    let (high, step, factor) = if let Some((high, step)) = rest.split_once('+') {
        (high, step.parse().ok()?, 1)
    } else if let Some((high, factor)) = rest.split_once('x') {
        (high, 0, factor.parse().ok()?)
    } else {
        (rest, 1, 1)
    };
    let (mut next, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
    if high < next {
        return None;
    }
    while next <= high {
        into.push(next);
        let after = next.checked_mul(factor)?.checked_add(step)?;
        if after <= next || into.len() >= MOST {
            return None;
        }
        next = after;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(s: &str) -> Vec<u32> {
        s.parse::<Numbers>().unwrap().0
    }

    proptest! {
        #[test]
        fn every_list_survives_printing_and_parsing(numbers in proptest::collection::vec(any::<u32>(), 1..20)) {
            let list = Numbers(numbers);
            prop_assert_eq!(list.to_string().parse::<Numbers>().unwrap(), list);
        }

        #[test]
        fn no_text_makes_the_parser_panic_or_run_away(text in "[0-9,x+-]{0,12}") {
            if let Ok(list) = text.parse::<Numbers>() {
                prop_assert!(list.0.len() <= 6 * MOST);
            }
        }
    }

    #[test]
    fn ranges_step_and_multiply() {
        assert_eq!(parsed("1,4-6,100-300+100,1-20x4"), [1, 4, 5, 6, 100, 200, 300, 1, 4, 16]);
    }

    #[test]
    fn a_range_that_never_ends_is_refused() {
        for bad in ["", ",", "5-1", "1-5x1", "0-5x2", "1-5+0", "1-", "a", "1-4294967295"] {
            assert!(bad.parse::<Numbers>().is_err(), "{bad}");
        }
    }
}
