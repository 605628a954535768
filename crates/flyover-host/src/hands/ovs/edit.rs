//! Changes of a row's maps, key by key, with the record of what is ours.

use flyover_core::Strings;
use flyover_ovs::{Datum, Mutation};

use crate::ovs::{RECORD, Record};

/// The key of `external_ids` that says whose a bridge or port is. A state without it is not ours, and leaves no record.
const OWNER: &str = "flyover-owner";

/// The maps of a row, as they are to be and as they are.
pub(super) struct Maps<'a> {
    /// Name, what is wished, what is there.
    pub(super) columns: &'a [(&'a str, &'a Strings, &'a Strings)],
    /// What is in `external_ids`, which the record is in.
    pub(super) external_ids: &'a Strings,
    /// Whether the row is ours.
    pub(super) owned: bool,
}

/// Whether a state says that it is ours.
pub(super) fn is_owned(external_ids: &Strings) -> bool {
    external_ids.contains_key(OWNER)
}

impl Maps<'_> {
    /// The changes: keys that differ are set, keys that were ours and are wished no longer go.
    pub(super) fn mutations(&self) -> Vec<Mutation> {
        let before = Record::of(self.external_ids);
        let mut after = Record::default();
        let mut mutations = Vec::new();
        for (column, wished, there) in self.columns {
            let changed = wished.iter().filter(|(key, value)| there.get(*key) != Some(value));
            mutations.extend(changed.flat_map(|(key, value)| Mutation::set_key(column, key, Some(value))));
            let gone =
                before.keys(column).filter(|key| !wished.contains_key(*key) && there.contains_key(*key));
            mutations.extend(gone.flat_map(|key| Mutation::set_key(column, key, None)));
            after.add(column, wished);
        }
        let after = record(&after, self.owned);
        if self.external_ids.get(RECORD) != after.as_ref() {
            mutations.extend(Mutation::set_key("external_ids", RECORD, after.as_deref()));
        }
        mutations
    }
}

/// The maps of a new row, the record among them.
pub(super) fn new_maps(columns: &[(&str, &Strings)], owned: bool) -> Vec<(String, Datum)> {
    let mut ours = Record::default();
    columns.iter().for_each(|(column, map)| ours.add(column, map));
    let record = record(&ours, owned);
    let mut all: Vec<(String, Strings)> =
        columns.iter().map(|(column, map)| ((*column).to_owned(), (*map).clone())).collect();
    if let Some(record) = record {
        match all.iter_mut().find(|(column, _)| column == "external_ids") {
            Some((_, map)) => drop(map.insert(RECORD.to_owned(), record)),
            None => all.push(("external_ids".to_owned(), Strings::from([(RECORD.to_owned(), record)]))),
        }
    }
    all.into_iter().map(|(column, map)| (column, Datum::map(map))).collect()
}

fn record(record: &Record, owned: bool) -> Option<String> {
    (owned && !record.is_empty()).then(|| record.to_string())
}
