//! Applies what a server tells of tables: whole rows (RFC 7047, 4.1.6), or differences (ovsdb-server(7), 4.1.14).
//!
//! Invariant: an update is applied whole or not at all.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Change, Held, Tables, Watched};
use crate::datum::{Atom, Datum, Row, Uuid};
use crate::error::OvsError;
use crate::schema::Shape;

/// Applies `table-updates`: of each row what it is, or that it is no more.
pub(super) fn rows(tables: &mut Tables, json: &Value) -> Result<Vec<Change>, OvsError> {
    each(tables, json, |held, _, uuid, update| {
        let is = match update.get("new") {
            Some(new) => Some(columns(uuid, new)?),
            None if update.contains_key("old") => None,
            None => return Err(OvsError::Update("says neither what a row was nor what it is")),
        };
        let was = match &is {
            Some(row) => held.insert(uuid.clone(), row.clone()),
            None => held.remove(uuid),
        };
        Ok((was, is))
    })
}

/// Applies `table-updates2`: of each row how it is other than before.
pub(super) fn differences(
    tables: &mut Tables,
    watched: &Watched,
    json: &Value,
) -> Result<Vec<Change>, OvsError> {
    each(tables, json, |held, table, uuid, update| {
        let shapes = watched.get(table).ok_or(OvsError::Update("is of a table that was not asked for"))?;
        Ok(if let Some(row) = update.get("initial").or_else(|| update.get("insert")) {
            let mut whole: Row =
                shapes.iter().map(|(column, shape)| (column.clone(), shape.default())).collect();
            whole.extend(columns(uuid, row)?);
            (held.insert(uuid.clone(), whole.clone()), Some(whole))
        } else if let Some(difference) = update.get("modify") {
            let was = held.get(uuid).ok_or(OvsError::Update("changes a row that was never told of"))?;
            let is = modified(was.clone(), columns(uuid, difference)?, shapes);
            (held.insert(uuid.clone(), is.clone()), Some(is))
        } else if update.contains_key("delete") {
            (held.remove(uuid), None)
        } else {
            return Err(OvsError::Update("does something unknown to a row"));
        })
    })
}

/// What a row was and what it is.
type Step = (Option<Row>, Option<Row>);

fn each(
    tables: &mut Tables,
    json: &Value,
    mut apply: impl FnMut(&mut Held, &str, &Uuid, &Map<String, Value>) -> Result<Step, OvsError>,
) -> Result<Vec<Change>, OvsError> {
    let mut changes = Vec::new();
    let mut all = || {
        for (table, rows) in object(json)? {
            for (uuid, update) in object(rows)? {
                let uuid = Uuid(uuid.clone());
                let held = tables.entry(table.clone()).or_default();
                let (was, is) = apply(held, table, &uuid, object(update)?)?;
                changes.push(Change { table: table.clone(), uuid, was, is });
            }
        }
        Ok(())
    };
    let applied: Result<(), OvsError> = all();
    if let Err(error) = applied {
        take_back(tables, changes);
        return Err(error);
    }
    changes.retain(|change| change.was != change.is);
    Ok(changes)
}

fn object(json: &Value) -> Result<&Map<String, Value>, OvsError> {
    json.as_object().ok_or(OvsError::Update("is no object of objects"))
}

fn take_back(tables: &mut Tables, changes: Vec<Change>) {
    for Change { table, uuid, was, .. } in changes.into_iter().rev() {
        let held = tables.entry(table).or_default();
        match was {
            Some(row) => held.insert(uuid, row),
            None => held.remove(&uuid),
        };
    }
}

fn modified(mut row: Row, differences: Row, shapes: &BTreeMap<String, Shape>) -> Row {
    for (column, difference) in differences {
        let value = match (row.remove(&column), shapes.get(&column)) {
            (Some(old), Some(shape)) => changed(old, difference, shape),
            _ => difference,
        };
        row.insert(column, value);
    }
    row
}

/// Columns with their row's name, as selections give them.
fn columns(uuid: &Uuid, json: &Value) -> Result<Row, OvsError> {
    let columns = json.as_object().ok_or(OvsError::Update("has a row that is no object"))?;
    let datum = |(column, json): (&String, &Value)| {
        let datum = Datum::of(json).ok_or(OvsError::Update("has a value that is none"))?;
        Ok((column.clone(), sorted(datum)))
    };
    let name = ("_uuid".to_owned(), Datum::from(Atom::Uuid(uuid.clone())));
    std::iter::once(Ok(name)).chain(columns.iter().map(datum)).collect()
}

/// The difference of a column that holds one value is the new value. Of one that holds many it is what came and what
/// went, and for a map what has another value.
fn changed(old: Datum, difference: Datum, shape: &Shape) -> Datum {
    if !shape.many {
        return difference;
    }
    match (old, difference) {
        (Datum::Set(mut atoms), Datum::Set(flipped)) => {
            for atom in flipped {
                match atoms.iter().position(|held| *held == atom) {
                    Some(at) => drop(atoms.remove(at)),
                    None => atoms.push(atom),
                }
            }
            sorted(Datum::Set(atoms))
        }
        (Datum::Map(mut pairs), Datum::Map(flipped)) => {
            for (key, value) in flipped {
                let held = pairs.iter().position(|(held, _)| *held == key).map(|at| pairs.remove(at));
                if held.is_none_or(|(_, held)| held != value) {
                    pairs.push((key, value));
                }
            }
            sorted(Datum::Map(pairs))
        }
        (_, difference) => difference,
    }
}

/// In one order, so that equal values are equal.
fn sorted(datum: Datum) -> Datum {
    let order = |a: &Atom, b: &Atom| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    match datum {
        Datum::Set(mut atoms) => {
            atoms.sort_by(order);
            Datum::Set(atoms)
        }
        Datum::Map(mut pairs) => {
            pairs.sort_by(|(a, _), (b, _)| order(a, b));
            Datum::Map(pairs)
        }
    }
}
