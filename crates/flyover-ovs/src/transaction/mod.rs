//! What a switch's database is asked to do, all of it or nothing.
//!
//! Invariant: what an operation is expected to do is said when it is added, and held against the server's answer. The
//! protocol calls a transaction well done that found no bridge to put a port into.

mod condition;
mod outcome;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

pub use condition::{Condition, Mutation};
pub use outcome::Committed;

use crate::datum::{Atom, Datum, Row};
use crate::tables::Table;

/// How many rows an operation is to touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// As many as there are.
    Any,
    /// Neither more nor fewer.
    Exactly(u64),
}

/// Operations that are done together or not at all.
#[derive(Clone, Debug)]
pub struct Transaction {
    database: String,
    operations: Vec<Operation>,
    named: usize,
    /// Which operation tells the configuration to be waited for.
    next_cfg: Option<usize>,
}

#[derive(Clone, Debug)]
struct Operation {
    json: Value,
    /// For errors: `insert into Interface`.
    what: String,
    expects: Expects,
}

#[derive(Clone, Debug)]
enum Expects {
    Rows(Rows),
    /// What it means that the rows were not as they were to be.
    AsBefore(String),
}

impl Default for Transaction {
    fn default() -> Self {
        Self::on(crate::OPEN_VSWITCH)
    }
}

impl Transaction {
    /// On a database.
    pub fn on(database: impl Into<String>) -> Self {
        Self { database: database.into(), operations: Vec::new(), named: 0, next_cfg: None }
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Inserts a row. What is given back names it within this transaction.
    pub fn insert(&mut self, table: &str, row: &Row) -> Atom {
        self.named += 1;
        let name = format!("new{}", self.named);
        let json = json!({"op": "insert", "table": table, "uuid-name": name, "row": row_json(row)});
        self.add(json, format!("insert into {table}"), Rows::Any);
        Atom::Named(name)
    }

    /// Sets columns.
    pub fn update(&mut self, table: &str, conditions: &[Condition], row: &Row, rows: Rows) {
        let json = json!({"op": "update", "table": table, "where": all(conditions), "row": row_json(row)});
        self.add(json, format!("update of {table}{}", told(conditions)), rows);
    }

    /// Changes columns by what they hold.
    pub fn mutate(&mut self, table: &str, conditions: &[Condition], mutations: &[Mutation], rows: Rows) {
        let mutations: Vec<Value> = mutations.iter().map(Mutation::json).collect();
        let json = json!({"op": "mutate", "table": table, "where": all(conditions), "mutations": mutations});
        self.add(json, format!("mutation of {table}{}", told(conditions)), rows);
    }

    /// Deletes rows.
    pub fn delete(&mut self, table: &str, conditions: &[Condition], rows: Rows) {
        let json = json!({"op": "delete", "table": table, "where": all(conditions)});
        self.add(json, format!("deletion from {table}{}", told(conditions)), rows);
    }

    /// Reads rows; the number is for [`Committed::rows`].
    ///
    /// Whole rows: the name of a column that the server does not have would fail the transaction.
    pub fn select<T: Table>(&mut self, conditions: &[Condition]) -> usize {
        let json = json!({"op": "select", "table": T::NAME, "where": all(conditions)});
        self.add(json, format!("selection from {}", T::NAME), Rows::Any);
        self.operations.len() - 1
    }

    /// Reads columns of rows; the number is for [`Committed::raw_rows`].
    pub fn select_columns(&mut self, table: &str, conditions: &[Condition], columns: &[&str]) -> usize {
        let json = json!({"op": "select", "table": table, "where": all(conditions), "columns": columns});
        self.add(json, format!("selection from {table}"), Rows::Any);
        self.operations.len() - 1
    }

    /// Goes on only if the rows that meet the conditions have exactly these values; else nothing is done, and the
    /// error is [`OvsError::Changed`](crate::OvsError::Changed) with `otherwise`.
    pub fn only_if(
        &mut self,
        table: &str,
        conditions: &[Condition],
        rows: &[Row],
        otherwise: impl Into<String>,
    ) {
        let columns: BTreeSet<&String> = rows.iter().flat_map(Row::keys).collect();
        let columns = if columns.is_empty() { json!(["_uuid"]) } else { json!(columns) };
        let json = json!({"op": "wait", "table": table, "where": all(conditions), "columns": columns, "until": "==",
            "rows": rows.iter().map(row_json).collect::<Vec<_>>(), "timeout": 0});
        self.operations.push(Operation {
            json,
            what: format!("wait for {table}"),
            expects: Expects::AsBefore(otherwise.into()),
        });
    }

    /// Goes on only if no row meets the conditions.
    pub fn only_if_none(&mut self, table: &str, conditions: &[Condition], otherwise: impl Into<String>) {
        self.only_if(table, conditions, &[], otherwise);
    }

    /// Goes on only once somebody has written an optional column of the rows that meet the conditions, or there are none; the
    /// server waits for that.
    pub(crate) fn once_written(
        &mut self,
        table: &str,
        conditions: &[Condition],
        column: &str,
        limit: Duration,
    ) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let empty = Map::from_iter([(column.to_owned(), json!(["set", []]))]);
        let json = json!({"op": "wait", "table": table, "where": all(conditions), "columns": [column], "until": "!=",
            "rows": [empty], "timeout": limit});
        let expects = Expects::AsBefore(format!("column `{column}` of {table} was not written"));
        self.operations.push(Operation { json, what: format!("wait for {table}"), expects });
    }

    /// Goes on only if this connection holds a lock; else the error is
    /// [`OvsError::Changed`](crate::OvsError::Changed).
    pub fn only_with_lock(&mut self, lock: &str) {
        let otherwise = format!("the lock {lock} is not held");
        let (json, what) = (json!({"op": "assert", "lock": lock}), format!("assertion of lock {lock}"));
        self.operations.push(Operation { json, what, expects: Expects::AsBefore(otherwise) });
    }

    /// Says in the database's log what it is for.
    pub fn comment(&mut self, text: &str) {
        self.add(json!({"op": "comment", "comment": text}), "comment".to_owned(), Rows::Any);
    }

    /// Asks `ovs-vswitchd` to say when it has carried the transaction out.
    pub fn ask_to_apply(&mut self) {
        if self.next_cfg.is_some() {
            return;
        }
        let json = json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]});
        self.add(json, "mutation of Open_vSwitch".to_owned(), Rows::Exactly(1));
        self.next_cfg = Some(self.select_columns("Open_vSwitch", &[], &["next_cfg"]));
    }

    /// The parameters of `transact`.
    #[must_use]
    pub fn params(&self) -> Value {
        let operations = self.operations.iter().map(|operation| operation.json.clone());
        Value::Array(std::iter::once(json!(self.database)).chain(operations).collect())
    }

    fn add(&mut self, json: Value, what: String, rows: Rows) {
        self.operations.push(Operation { json, what, expects: Expects::Rows(rows) });
    }
}

fn row_json(row: &Row) -> Value {
    Value::Object(row.iter().map(|(column, datum)| (column.clone(), datum.json())).collect::<Map<_, _>>())
}

fn all(conditions: &[Condition]) -> Value {
    Value::Array(conditions.iter().map(Condition::json).collect())
}

fn told(conditions: &[Condition]) -> String {
    conditions.iter().map(|condition| format!(" {condition}")).collect()
}

/// A row of what is set.
#[must_use]
pub fn row<const N: usize>(columns: [(&str, Datum); N]) -> Row {
    columns.into_iter().map(|(column, datum)| (column.to_owned(), datum)).collect()
}
