//! A connection that waits for its answers: for programs that make one change and end.
//!
//! Invariant: no call takes longer than the limit the client was given, whatever the server does.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::OPEN_VSWITCH;
use crate::error::OvsError;
use crate::session::{Event, Session};
use crate::tables::Table;
use crate::transaction::{Committed, Condition, Transaction};

/// A connection to a database server.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: UnixStream,
    session: Session,
    limit: Duration,
}

/// The name under which a client watches which configuration is carried out.
const WATCH: &str = "cur_cfg";

impl Client {
    /// Connects to the socket of a server.
    pub fn connect(path: &Path, limit: Duration) -> Result<Self, OvsError> {
        let stream = UnixStream::connect(path);
        let stream = stream.map_err(|source| OvsError::Connect { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), stream, session: Session::default(), limit })
    }

    /// Does a transaction.
    pub fn transact(&mut self, transaction: &Transaction) -> Result<Committed, OvsError> {
        transaction.outcome(self.call("transact", transaction.params())?)
    }

    /// Does a transaction and waits until `ovs-vswitchd` has carried it out.
    ///
    /// After [`OvsError::Late`] the transaction is committed: only that it was carried out is not known.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Committed, OvsError> {
        let mut transaction = transaction.clone();
        transaction.ask_to_apply();
        let end = Instant::now() + self.limit;
        let watch = self.watch();
        let id = self.session.request("transact", transaction.params());
        self.send()?;
        let mut current = self.reply(watch, "monitor", end)?.pointer("/Open_vSwitch").and_then(cur_cfg);
        let outcome = transaction.outcome(self.reply(id, "transact", end)?);
        let committed = match outcome {
            Ok(committed) => committed,
            Err(error) => {
                self.unwatch()?;
                return Err(error);
            }
        };
        let next = committed.next_cfg().unwrap_or(0);
        while current.is_none_or(|current| current < next) {
            let what = format!("apply configuration {next}");
            if let Event::Notification { params, .. } = self.event(&what, end)? {
                current = params.pointer("/1/Open_vSwitch").and_then(cur_cfg).or(current);
            }
        }
        self.unwatch()?;
        Ok(committed)
    }

    /// All rows of a kind that meet the conditions.
    pub fn rows<T: Table>(&mut self, conditions: &[Condition]) -> Result<Vec<T>, OvsError> {
        let mut transaction = Transaction::default();
        let selection = transaction.select::<T>(conditions);
        self.transact(&transaction)?.rows(selection)
    }

    /// Asks for anything, and gives the result.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, OvsError> {
        let end = Instant::now() + self.limit;
        let id = self.session.request(method, params);
        self.send()?;
        self.reply(id, method, end)
    }

    fn watch(&mut self) -> u64 {
        let what = json!({"Open_vSwitch": [{"columns": ["cur_cfg"]}]});
        self.session.request("monitor", json!([OPEN_VSWITCH, WATCH, what]))
    }

    fn unwatch(&mut self) -> Result<(), OvsError> {
        self.call("monitor_cancel", json!([WATCH])).map(drop)
    }

    fn reply(&mut self, wanted: u64, method: &str, end: Instant) -> Result<Value, OvsError> {
        let what = format!("answer {method}");
        loop {
            match self.event(&what, end)? {
                Event::Reply { id, outcome } if id == wanted => {
                    return outcome.map_err(|error| refused(method, &error));
                }
                _ => {}
            }
        }
    }

    fn event(&mut self, what: &str, end: Instant) -> Result<Event, OvsError> {
        loop {
            if let Some(event) = self.session.event() {
                return Ok(event);
            }
            self.receive(what, end)?;
        }
    }

    fn send(&mut self) -> Result<(), OvsError> {
        let bytes = self.session.outgoing();
        let sent =
            self.stream.set_write_timeout(Some(self.limit)).and_then(|()| self.stream.write_all(&bytes));
        sent.map_err(|source| self.lost(source, "take what was asked"))
    }

    fn receive(&mut self, what: &str, end: Instant) -> Result<(), OvsError> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.late(what));
        }
        let mut bytes = [0; 16 << 10];
        let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut bytes));
        let count = match read {
            Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into(), what)),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(source) => return Err(self.lost(source, what)),
        };
        let path = &self.path;
        let received = self.session.receive(&bytes[..count]);
        received.map_err(|source| OvsError::Malformed { path: path.clone(), source })?;
        self.send()
    }

    fn lost(&self, source: io::Error, what: &str) -> OvsError {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.late(what),
            _ => OvsError::Lost { path: self.path.clone(), source },
        }
    }

    fn late(&self, what: &str) -> OvsError {
        OvsError::Late { path: self.path.clone(), what: what.to_owned(), limit: self.limit }
    }
}

/// The configuration that is carried out, of the one row there is.
fn cur_cfg(table: &Value) -> Option<i64> {
    table.as_object()?.values().find_map(|row| row.pointer("/new/cur_cfg")?.as_i64())
}

fn refused(request: &str, error: &Value) -> OvsError {
    let word = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    OvsError::Refused {
        request: request.to_owned(),
        error: word("error").unwrap_or_else(|| error.to_string()),
        details: word("details"),
    }
}
