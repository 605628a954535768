//! A connection that waits for its answers: for programs that make one change and end.
//!
//! Invariant: no call takes longer than the limit the client was given, whatever the server does. After a late answer the
//! client can be used again: what comes late is passed over.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::OPEN_VSWITCH;
use crate::error::OvsError;
use crate::line::Line;
use crate::schema::Schema;
use crate::session::Event;
use crate::tables::Table;
use crate::transaction::{Committed, Condition, Transaction};

/// A connection to a database server.
#[derive(Debug)]
pub struct Client {
    line: Line,
    watches: u64,
}

/// How a client learns which configuration is carried out.
struct Watch {
    name: Value,
    request: u64,
    /// The last that was told.
    current: Option<i64>,
}

impl Client {
    /// Connects to the socket of a server.
    pub fn connect(path: &Path, limit: Duration) -> Result<Self, OvsError> {
        Ok(Self { line: Line::connect(path, limit)?, watches: 0 })
    }

    /// Does a transaction.
    pub fn transact(&mut self, transaction: &Transaction) -> Result<Committed, OvsError> {
        transaction.outcome(self.call("transact", transaction.params())?)
    }

    /// Does a transaction and waits until `ovs-vswitchd` has carried it out.
    ///
    /// An [`OvsError::Late`] that says so comes after the transaction was committed: only that it was carried out is not
    /// known.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Committed, OvsError> {
        let mut transaction = transaction.clone();
        transaction.ask_to_apply();
        let end = self.line.end();
        let mut watch = self.watch();
        let id = self.line.request("transact", transaction.params());
        let applied = self.applied(&mut watch, id, &transaction, end);
        self.line.request("monitor_cancel", json!([watch.name]));
        // What came of the transaction is known already. If this cannot be sent now, the next request takes it along.
        let _sent = self.line.send(end);
        applied
    }

    /// Does a transaction, waits until `ovs-vswitchd` has written an optional column of certain rows, and gives those.
    ///
    /// For a row that the transaction makes this is [`Self::apply`] and a question after it in one: both are asked at once,
    /// and the server waits.
    pub fn transact_until<T: Table>(
        &mut self,
        transaction: &Transaction,
        conditions: &[Condition],
        written: &str,
    ) -> Result<Vec<T>, OvsError> {
        let end = self.line.end();
        let mut question = Transaction::default();
        question.once_written(T::NAME, conditions, written, self.line.limit());
        let selection = question.select::<T>(conditions);
        let ids = [transaction, &question].map(|asked| self.line.request("transact", asked.params()));
        let mut replies = [None, None];
        while replies.iter().any(Option::is_none) {
            let what = if replies[0].is_none() { "answer transact" } else { "apply what is committed" };
            let Event::Reply { id, outcome } = self.line.event(what, end)? else { continue };
            let Some(at) = ids.iter().position(|asked| *asked == id) else { continue };
            let result = outcome.map_err(|error| OvsError::refused("transact", &error))?;
            if at == 0 {
                transaction.outcome(result.clone())?;
            }
            replies[at] = Some(result);
        }
        let answer = question.outcome(replies[1].take().unwrap_or_default());
        let late = |_| self.line.late("apply what is committed");
        answer
            .map_err(|error| if let OvsError::Changed(why) = error { late(why) } else { error })?
            .rows(selection)
    }

    /// All rows of a kind that meet the conditions.
    pub fn rows<T: Table>(&mut self, conditions: &[Condition]) -> Result<Vec<T>, OvsError> {
        let mut transaction = Transaction::default();
        let selection = transaction.select::<T>(conditions);
        self.transact(&transaction)?.take(selection)
    }

    /// Which tables and columns the server has.
    pub fn schema(&mut self, database: &str) -> Result<Schema, OvsError> {
        Schema::of(&self.call("get_schema", json!([database]))?)
    }

    /// Asks for anything, and gives the result.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, OvsError> {
        let end = self.line.end();
        let id = self.line.request(method, params);
        self.line.reply(id, method, end)?.map_err(|error| OvsError::refused(method, &error))
    }

    /// A name is never used twice, so that a watch that could not be taken back is in nobody's way.
    fn watch(&mut self) -> Watch {
        self.watches += 1;
        let name = json!(["cur_cfg", self.watches]);
        let what = json!({"Open_vSwitch": [{"columns": ["cur_cfg"]}]});
        let request = self.line.request("monitor", json!([OPEN_VSWITCH, name, what]));
        Watch { name, request, current: None }
    }

    fn applied(
        &mut self,
        watch: &mut Watch,
        id: u64,
        transaction: &Transaction,
        end: Instant,
    ) -> Result<Committed, OvsError> {
        let committed = loop {
            let event = self.line.event("answer transact", end)?;
            match event {
                Event::Reply { id: of, outcome } if of == id => {
                    let result = outcome.map_err(|error| OvsError::refused("transact", &error))?;
                    break transaction.outcome(result)?;
                }
                other => watch.hear(&other)?,
            }
        };
        let next = committed.next_cfg().unwrap_or(0);
        let what = format!("apply configuration {next}, which is committed,");
        while watch.current.is_none_or(|current| current < next) {
            watch.hear(&self.line.event(&what, end)?)?;
        }
        Ok(committed)
    }
}

impl Watch {
    fn hear(&mut self, event: &Event) -> Result<(), OvsError> {
        let told = match event {
            Event::Reply { id, outcome } if *id == self.request => {
                let result = outcome.as_ref().map_err(|error| OvsError::refused("monitor", error))?;
                result.pointer("/Open_vSwitch")
            }
            Event::Notification { params, .. } if params.get(0) == Some(&self.name) => {
                params.pointer("/1/Open_vSwitch")
            }
            _ => None,
        };
        self.current = told.and_then(cur_cfg).or(self.current);
        Ok(())
    }
}

/// The configuration that is carried out, of the one row there is.
fn cur_cfg(table: &Value) -> Option<i64> {
    table.as_object()?.values().find_map(|row| row.pointer("/new/cur_cfg")?.as_i64())
}
