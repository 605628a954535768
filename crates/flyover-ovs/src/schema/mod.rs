//! What a server's database is made of, and whether it has what we need.
//!
//! Open vSwitch adds columns with its versions and may drop some. A column that we write, or decide on, must be there
//! and be what we take it for; one that we only show may be missing.

mod shape;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::OvsError;
use crate::tables::Table;

pub use shape::{Kind, Shape};

/// The tables of a database and the shapes of their columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The database's name.
    pub name: String,
    /// The schema's version: `8.3.1`.
    pub version: String,
    tables: BTreeMap<String, BTreeMap<String, Shape>>,
}

/// A column that is declared in [`tables`](crate::tables).
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// Its name.
    pub name: &'static str,
    /// Whether nothing can be done without it.
    pub needed: bool,
    /// What it is to hold, for errors.
    pub wanted: &'static str,
    /// Whether it can be read from a column of this shape.
    pub fits: fn(&Shape) -> bool,
}

impl Schema {
    /// From what `get_schema` answers.
    pub fn of(json: &Value) -> Result<Self, OvsError> {
        let word = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = word("name").ok_or(OvsError::Schema("has no name"))?;
        let tables = json.get("tables").and_then(Value::as_object);
        let tables = tables.ok_or(OvsError::Schema("has no tables"))?;
        Ok(Self {
            name,
            version: word("version").unwrap_or_default(),
            tables: tables.iter().map(|(table, json)| (table.clone(), columns(json))).collect(),
        })
    }

    /// The shape of a column, if the table is there and has it.
    #[must_use]
    pub fn column(&self, table: &str, column: &str) -> Option<&Shape> {
        self.tables.get(table)?.get(column)
    }

    /// The columns of a kind of row that are there, as they can be asked for.
    #[must_use]
    pub fn columns<T: Table>(&self) -> Vec<&'static str> {
        let declared = T::DECLARED.iter().map(|declared| declared.name);
        declared.filter(|name| self.column(T::NAME, name).is_some()).collect()
    }

    /// What a kind of row cannot be read or written for.
    #[must_use]
    pub fn lacks<T: Table>(&self) -> Vec<String> {
        if !self.tables.contains_key(T::NAME) {
            return vec![format!("table {}", T::NAME)];
        }
        T::DECLARED.iter().filter_map(|declared| self.lack(T::NAME, declared)).collect()
    }

    /// Fails with all that the tables of a switch lack.
    pub fn check(&self) -> Result<(), OvsError> {
        use crate::tables::{Bridge, Interface, OpenVswitch, Port};
        let rows = [self.lacks::<Bridge>(), self.lacks::<Port>(), self.lacks::<Interface>()];
        let lacks: Vec<String> =
            self.lacks::<OpenVswitch>().into_iter().chain(rows.into_iter().flatten()).collect();
        if lacks.is_empty() {
            return Ok(());
        }
        let (database, version) = (self.name.clone(), self.version.clone());
        Err(OvsError::Lacks { database, version, lacks: lacks.join("; ") })
    }

    fn lack(&self, table: &str, declared: &Declared) -> Option<String> {
        let name = declared.name;
        match self.column(table, name) {
            None if declared.needed => Some(format!("column `{name}` of table {table}")),
            Some(shape) if !(declared.fits)(shape) => Some(format!(
                "column `{name}` of table {table} holding {} (here it holds {shape})",
                declared.wanted
            )),
            _ => None,
        }
    }
}

fn columns(table: &Value) -> BTreeMap<String, Shape> {
    let columns = table.get("columns").and_then(Value::as_object).into_iter().flatten();
    columns.filter_map(|(name, column)| Some((name.clone(), Shape::of(column.get("type")?)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tables::Bridge;

    fn bridges(columns: &Value) -> Schema {
        let tables = json!({"Bridge": {"columns": columns}});
        Schema::of(&json!({"name": "Open_vSwitch", "version": "8.0.0", "tables": tables})).unwrap()
    }

    fn whole() -> Value {
        let strings = json!({"key": "string", "value": "string", "min": 0, "max": "unlimited"});
        let rows = json!({"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"});
        json!({"name": {"type": "string"}, "datapath_type": {"type": "string"}, "ports": {"type": rows},
            "fail_mode": {"type": {"key": "string", "min": 0}}, "controller": {"type": rows},
            "other_config": {"type": strings}, "external_ids": {"type": strings}})
    }

    #[test]
    fn all_that_is_missing_or_other_is_named_at_once() {
        let mut columns = whole();
        columns["ports"] = json!({"type": {"key": "string", "min": 0, "max": "unlimited"}});
        columns.as_object_mut().unwrap().remove("external_ids");
        assert_eq!(
            bridges(&columns).lacks::<Bridge>(),
            [
                "column `ports` of table Bridge holding a set (here it holds a set of strings)",
                "column `external_ids` of table Bridge",
            ]
        );
        assert_eq!(
            bridges(&whole()).check().unwrap_err().to_string(),
            "database Open_vSwitch 8.0.0 lacks table Open_vSwitch; table Port; table Interface\n  \
             hint: Flyover knows Open vSwitch 2.17 to 4.0"
        );
    }

    #[test]
    fn what_is_only_shown_may_be_missing_and_is_not_asked_for() {
        let mut columns = whole();
        columns.as_object_mut().unwrap().remove("controller");
        let schema = bridges(&columns);
        assert_eq!(schema.lacks::<Bridge>(), Vec::<String>::new());
        let asked = ["name", "datapath_type", "ports", "fail_mode", "other_config", "external_ids"];
        assert_eq!(schema.columns::<Bridge>(), asked);
    }

    #[test]
    fn what_is_no_schema_is_an_error() {
        let error = Schema::of(&json!({"name": "Open_vSwitch"})).unwrap_err();
        assert_eq!(error.to_string(), "the server's schema has no tables");
    }
}
