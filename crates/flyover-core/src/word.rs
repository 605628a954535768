//! What every word has in common: its form in documents is its text.

/// Lets serde read a word by its `FromStr` and write it by its `Display`, together with
/// `#[serde(try_from = "String", into = "String")]`.
macro_rules! string_form {
    ($($word:ty, $bad:ty);+) => {$(
        impl TryFrom<String> for $word {
            type Error = $bad;

            fn try_from(s: String) -> Result<Self, $bad> {
                s.parse()
            }
        }

        impl From<$word> for String {
            fn from(word: $word) -> Self {
                word.to_string()
            }
        }
    )+};
}

pub(crate) use string_form;
