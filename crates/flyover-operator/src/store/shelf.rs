//! Objects of one kind by name, each in the newest version that was seen.
//!
//! Invariant: nothing older than what is there replaces it, so that what the operator wrote itself is not undone by a watch
//! that lags behind. But versions go back where a server is restored from a backup: what is older where all is told anew is so when
//! all was told, unless something was written or read meanwhile.

use std::collections::{BTreeMap, BTreeSet};

/// An object in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held<T> {
    /// As it is named in preconditions.
    pub(crate) version: String,
    pub(crate) value: T,
}

/// What a watch tells.
#[derive(Debug)]
pub(crate) enum Told<T> {
    /// All of them are told from the beginning.
    Beginning,
    /// One that is there.
    There(String, Held<T>),
    /// One that is no more, and its last version.
    Gone(String, String),
    /// All that are there were told.
    All,
}

/// The objects of a kind.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    items: BTreeMap<String, Held<T>>,
    /// What was told since the beginning, while it lasts.
    telling: Option<Telling<T>>,
    complete: bool,
}

/// What was told since the beginning.
#[derive(Debug)]
struct Telling<T> {
    names: BTreeSet<String>,
    /// What was told and is older than what is there.
    older: BTreeMap<String, Held<T>>,
    /// What was written or read meanwhile, which the list may not have yet.
    known: BTreeSet<String>,
}

impl<T> Default for Telling<T> {
    fn default() -> Self {
        Self { names: BTreeSet::new(), older: BTreeMap::new(), known: BTreeSet::new() }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), telling: None, complete: false }
    }
}

/// An object of which something changed: what it was and what it is, if it is there.
#[derive(Debug)]
pub(crate) struct Changed<T> {
    pub(crate) name: String,
    pub(crate) before: Option<T>,
}

impl<T: PartialEq> Shelf<T> {
    /// Takes it in, and says what changed by it.
    pub(crate) fn take(&mut self, told: Told<T>) -> Vec<Changed<T>> {
        match told {
            Told::Beginning => {
                self.telling = Some(Telling::default());
                Vec::new()
            }
            Told::There(name, held) => {
                let older = self.is_older(&name, &held);
                if let Some(telling) = &mut self.telling {
                    telling.names.insert(name.clone());
                    telling.older.remove(&name);
                    if older && !telling.known.contains(&name) {
                        telling.older.insert(name, held);
                        return Vec::new();
                    }
                }
                if older { Vec::new() } else { self.replace(name, held).into_iter().collect() }
            }
            Told::Gone(name, version) => self.remove(name, &version).into_iter().collect(),
            Told::All => {
                self.complete = true;
                let Some(told) = self.telling.take() else { return Vec::new() };
                let gone: Vec<String> =
                    self.items.keys().filter(|name| !told.names.contains(*name)).cloned().collect();
                let gone: Vec<_> = gone.into_iter().filter_map(|name| self.drop(name)).collect();
                let back = told.older.into_iter().filter_map(|(name, held)| self.replace(name, held));
                gone.into_iter().chain(back).collect()
            }
        }
    }

    /// Puts what was read or written, unless something newer is there.
    pub(crate) fn put(&mut self, name: String, held: Held<T>) -> Option<Changed<T>> {
        if self.is_older(&name, &held) {
            return None;
        }
        if let Some(telling) = &mut self.telling {
            telling.older.remove(&name);
            telling.known.insert(name.clone());
        }
        self.replace(name, held)
    }

    fn is_older(&self, name: &str, held: &Held<T>) -> bool {
        self.items.get(name).is_some_and(|old| number(&held.version) < number(&old.version))
    }

    fn replace(&mut self, name: String, held: Held<T>) -> Option<Changed<T>> {
        let new = &held.value;
        let same = self.items.get(&name).is_some_and(|old| old.value == *new);
        let before = self.items.insert(name.clone(), held).map(|old| old.value);
        (!same).then_some(Changed { name, before })
    }

    /// It is not there any more.
    pub(crate) fn drop(&mut self, name: String) -> Option<Changed<T>> {
        let before = self.items.remove(&name)?.value;
        Some(Changed { name, before: Some(before) })
    }

    fn remove(&mut self, name: String, version: &str) -> Option<Changed<T>> {
        let newer = self.items.get(&name).is_some_and(|held| number(&held.version) > number(version));
        if newer { None } else { self.drop(name) }
    }

    /// Whether all that are there were told once.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Held<T>> {
        self.items.get(name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&T> {
        self.items.get(name).map(|held| &held.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.items.iter().map(|(name, held)| (name, &held.value))
    }
}

/// Versions are numbers that grow. Whatever is none is newer than all.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(name: &str, version: u64, value: u8) -> Told<u8> {
        Told::There(name.into(), Held { version: version.to_string(), value })
    }

    fn values(shelf: &Shelf<u8>) -> Vec<(&str, u8)> {
        shelf.iter().map(|(name, value)| (name.as_str(), *value)).collect()
    }

    #[test]
    fn what_was_written_stays_though_a_watch_tells_something_older() {
        let mut shelf = Shelf::default();
        shelf.put("a".into(), Held { version: "10".into(), value: 2 });
        assert!(shelf.take(there("a", 9, 1)).is_empty());
        assert!(shelf.take(Told::Gone("a".into(), "9".into())).is_empty());
        assert_eq!(values(&shelf), [("a", 2)]);
        assert_eq!(shelf.take(there("a", 11, 3)).len(), 1);
        assert_eq!(shelf.take(Told::Gone("a".into(), "12".into())).len(), 1);
        assert!(values(&shelf).is_empty());
    }

    #[test]
    fn versions_that_go_back_are_believed_when_all_is_told_anew_but_for_what_was_written_meanwhile() {
        let mut shelf = Shelf::default();
        for name in ["a", "b", "c"] {
            shelf.take(there(name, 10, 1));
        }
        shelf.take(Told::Beginning);
        shelf.put("b".into(), Held { version: "11".into(), value: 3 });
        for name in ["a", "b", "c"] {
            assert!(shelf.take(there(name, 5, 2)).is_empty());
        }
        shelf.put("c".into(), Held { version: "11".into(), value: 3 });
        assert_eq!(values(&shelf), [("a", 1), ("b", 3), ("c", 3)], "nothing goes back before all was told");
        let changed: Vec<_> = shelf.take(Told::All).into_iter().map(|changed| changed.name).collect();
        assert_eq!((changed, values(&shelf)), (vec!["a".to_owned()], vec![("a", 2), ("b", 3), ("c", 3)]));
        assert_eq!(shelf.take(there("a", 7, 4)).len(), 1, "and goes on from there");
    }

    #[test]
    fn what_is_not_told_when_all_is_told_anew_is_gone() {
        let mut shelf = Shelf::default();
        for told in [Told::Beginning, there("a", 1, 1), there("b", 2, 1), Told::All] {
            shelf.take(told);
        }
        assert!(shelf.is_complete());
        for told in [Told::Beginning, there("b", 2, 1)] {
            assert!(shelf.take(told).is_empty());
        }
        assert_eq!(values(&shelf), [("a", 1), ("b", 1)], "nothing goes before all was told");
        let gone: Vec<_> =
            shelf.take(Told::All).into_iter().map(|changed| (changed.name, changed.before)).collect();
        assert_eq!(gone, [("a".to_owned(), Some(1))]);
    }
}
