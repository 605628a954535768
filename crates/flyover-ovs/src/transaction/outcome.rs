//! What came of a transaction.
//!
//! Invariant: every operation's answer is looked at, and the one more that tells of a commit that failed after all
//! operations went well.

use serde_json::Value;

use super::{Expects, Operation, Rows, Transaction};
use crate::datum::{Atom, Datum, Row, Uuid};
use crate::error::OvsError;
use crate::tables::Table;

/// A transaction that was committed and did what it was to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    answers: Vec<Value>,
    next_cfg: Option<i64>,
}

impl Committed {
    /// The configuration that `ovs-vswitchd` is to reach, if it was asked to say so.
    #[must_use]
    pub fn next_cfg(&self) -> Option<i64> {
        self.next_cfg
    }

    /// The rows a selection found.
    pub fn rows<T: Table>(&self, selection: usize) -> Result<Vec<T>, OvsError> {
        self.found(selection).iter().filter_map(row_of).map(|row| T::read(&row)).collect()
    }

    /// The rows a selection found, which are no longer here afterwards: the answer, which takes several times as much
    /// memory, is given up row by row.
    pub fn take<T: Table>(&mut self, selection: usize) -> Result<Vec<T>, OvsError> {
        let rows = self.answers.get_mut(selection).and_then(|answer| answer.get_mut("rows"));
        let Some(Value::Array(rows)) = rows.map(Value::take) else { return Ok(Vec::new()) };
        rows.into_iter().filter_map(|row| row_of(&row)).map(|row| T::read(&row)).collect()
    }

    /// The rows a selection found, as they came.
    #[must_use]
    pub fn raw_rows(&self, selection: usize) -> Vec<Row> {
        self.found(selection).iter().filter_map(row_of).collect()
    }

    fn found(&self, selection: usize) -> &[Value] {
        let rows = self.answers.get(selection).and_then(|answer| answer.get("rows"));
        rows.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The names of all rows that were inserted, in order.
    #[must_use]
    pub fn inserted(&self) -> Vec<Uuid> {
        let uuids = self.answers.iter().filter_map(|answer| Atom::of(answer.get("uuid")?));
        uuids.filter_map(|atom| if let Atom::Uuid(uuid) = atom { Some(uuid) } else { None }).collect()
    }
}

/// A row from the protocol's JSON. What cannot be read is left out, and missed by who needs it.
#[must_use]
pub(crate) fn row_of(json: &Value) -> Option<Row> {
    let columns = json.as_object()?.iter();
    Some(columns.filter_map(|(column, datum)| Some((column.clone(), Datum::of(datum)?))).collect())
}

impl Transaction {
    /// Holds the result of `transact` against what was asked.
    pub fn outcome(&self, result: Value) -> Result<Committed, OvsError> {
        let Value::Array(answers) = result else {
            return Err(refused("transaction", "the result is no list", &Value::Null));
        };
        let asked = self.operations.iter().map(Some).chain(std::iter::repeat(None));
        if let Some(error) =
            answers.iter().zip(asked).find_map(|(answer, operation)| failure(answer, operation))
        {
            return Err(error);
        }
        if answers.len() < self.operations.len() || answers.iter().any(Value::is_null) {
            return Err(refused("transaction", "not all operations were tried", &Value::Null));
        }
        for (operation, answer) in self.operations.iter().zip(&answers) {
            operation.hold(answer)?;
        }
        let mut committed = Committed { answers, next_cfg: None };
        committed.next_cfg = self.next_cfg.and_then(|at| next_cfg(&committed.raw_rows(at)));
        Ok(committed)
    }
}

impl Operation {
    fn hold(&self, answer: &Value) -> Result<(), OvsError> {
        let Expects::Rows(Rows::Exactly(wanted)) = self.expects else { return Ok(()) };
        let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
        if count == wanted {
            return Ok(());
        }
        Err(OvsError::Count { operation: self.what.clone(), count, wanted })
    }
}

fn failure(answer: &Value, operation: Option<&Operation>) -> Option<OvsError> {
    let error = answer.get("error")?.as_str()?;
    Some(match operation.map(|operation| (&operation.expects, &operation.what)) {
        Some((Expects::AsBefore(otherwise), _)) if matches!(error, "timed out" | "not owner") => {
            OvsError::Changed(otherwise.clone())
        }
        Some((_, what)) => refused(what, error, answer),
        None => refused("commit", error, answer),
    })
}

fn refused(request: &str, error: &str, answer: &Value) -> OvsError {
    let details = answer.get("details").and_then(Value::as_str).map(str::to_owned);
    OvsError::Refused { request: request.to_owned(), error: error.to_owned(), details }
}

fn next_cfg(rows: &[Row]) -> Option<i64> {
    match rows.first()?.get("next_cfg")? {
        Datum::Set(atoms) => match atoms.as_slice() {
            [Atom::Integer(number)] => Some(*number),
            _ => None,
        },
        Datum::Map(_) => None,
    }
}
