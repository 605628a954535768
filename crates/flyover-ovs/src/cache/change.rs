//! What became of rows.

use std::collections::BTreeMap;

use super::{Held, Tables};
use crate::datum::{Row, Uuid};
use crate::error::OvsError;
use crate::tables::Table;

/// What became of a row: it came, it went, or it is other than it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// In which table.
    pub table: String,
    /// Which row.
    pub uuid: Uuid,
    /// What it was.
    pub was: Option<Row>,
    /// What it is.
    pub is: Option<Row>,
}

impl Change {
    /// What it was, if it is a row of this kind and was there.
    pub fn was<T: Table>(&self) -> Result<Option<T>, OvsError> {
        self.read(self.was.as_ref())
    }

    /// What it is, if it is a row of this kind and is there.
    pub fn is<T: Table>(&self) -> Result<Option<T>, OvsError> {
        self.read(self.is.as_ref())
    }

    fn read<T: Table>(&self, row: Option<&Row>) -> Result<Option<T>, OvsError> {
        if self.table == T::NAME { row.map(T::read).transpose() } else { Ok(None) }
    }
}

/// Changes that nobody has looked at yet, one a row: whoever comes late sees where a row was and where it is, and the
/// heap is never larger than the tables.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<(String, Uuid), (Option<Row>, Option<Row>)>);

impl Changes {
    /// Adds later ones.
    pub fn extend(&mut self, changes: Vec<Change>) {
        for Change { table, uuid, was, is } in changes {
            let key = (table, uuid);
            let was = self.0.remove(&key).map_or(was, |(before, _)| before);
            if was != is {
                self.0.insert(key, (was, is));
            }
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives and forgets them, by table.
    #[must_use]
    pub fn take(&mut self) -> Vec<Change> {
        let changes = std::mem::take(&mut self.0).into_iter();
        changes.map(|((table, uuid), (was, is))| Change { table, uuid, was, is }).collect()
    }
}

/// What leads from one state of all tables to another.
pub(super) fn between(was: &Tables, is: &Tables) -> Vec<Change> {
    let none = Held::new();
    let in_table = |table: &String| {
        let (was, is) = (was.get(table).unwrap_or(&none), is.get(table).unwrap_or(&none));
        let gone = was.iter().filter(|(uuid, _)| !is.contains_key(*uuid));
        let gone = gone.map(|(uuid, row)| (uuid.clone(), Some(row.clone()), None));
        let other = is.iter().filter(|(uuid, row)| was.get(*uuid) != Some(*row));
        let other = other.map(|(uuid, row)| (uuid.clone(), was.get(uuid).cloned(), Some(row.clone())));
        let changes = gone.chain(other);
        changes.map(|(uuid, was, is)| Change { table: table.clone(), uuid, was, is }).collect::<Vec<_>>()
    };
    let more = is.keys().filter(|table| !was.contains_key(*table));
    was.keys().chain(more).flat_map(in_table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(was: Option<i64>, is: Option<i64>) -> Change {
        let row = |value: i64| Row::from([("tag".to_owned(), value.into())]);
        Change { table: "Port".to_owned(), uuid: Uuid("p".to_owned()), was: was.map(row), is: is.map(row) }
    }

    #[test]
    fn changes_of_a_row_that_nobody_looked_at_become_one() {
        let mut changes = Changes::default();
        changes.extend(vec![change(None, Some(1)), change(Some(1), Some(2))]);
        changes.extend(vec![change(Some(2), Some(3))]);
        assert_eq!(changes.take(), [change(None, Some(3))]);
        assert!(changes.is_empty());
    }

    #[test]
    fn a_row_that_came_and_went_meanwhile_did_not_change() {
        let mut changes = Changes::default();
        changes.extend(vec![change(None, Some(1)), change(Some(1), None)]);
        assert!(changes.is_empty());
        changes.extend(vec![change(Some(1), None), change(None, Some(1))]);
        assert_eq!(changes.take(), []);
    }
}
