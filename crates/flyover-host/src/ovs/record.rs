//! Which keys of a row's maps are ours: written in the row itself, so that a newer wish, or the way back, takes out what
//! an older one put in and nothing else.

use std::collections::BTreeSet;
use std::fmt;

use flyover_core::Strings;

/// The key of `external_ids` that lists them.
pub(crate) const RECORD: &str = "flyover-keys";

/// Columns and keys of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(BTreeSet<(String, String)>);

impl Record {
    /// What a row's `external_ids` tell.
    #[must_use]
    pub fn of(external_ids: &Strings) -> Self {
        let text = external_ids.get(RECORD).map_or("", String::as_str);
        let pairs = text.split_whitespace().filter_map(|word| word.split_once(':'));
        Self(pairs.map(|(column, key)| (column.to_owned(), key.to_owned())).collect())
    }

    /// Adds all keys of a map.
    pub fn add(&mut self, column: &str, map: &Strings) {
        self.0.extend(map.keys().map(|key| (column.to_owned(), key.clone())));
    }

    /// The keys of a column.
    pub fn keys<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == column).map(|(_, key)| key.as_str())
    }

    /// Whether nothing is ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|(column, key)| format!("{column}:{key}")).collect();
        f.write_str(&words.join(" "))
    }
}
