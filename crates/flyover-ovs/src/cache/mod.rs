//! What a server's tables hold, kept up to date by what it tells. No I/O: requests out, answers and updates in.
//!
//! A server is asked by the best way that it knows: `monitor_cond_since`, which sends only what one has missed,
//! `monitor_cond`, which sends differences, or RFC 7047's `monitor`. An older server refuses what it does not know, and is
//! asked the next way.
//!
//! Invariants: after [`Cache::replied`] and each [`Cache::notified`] the rows are those of the server at one moment, and the
//! changes given back lead there from what was before, also over a connection that was lost. What cannot be applied is
//! an error, after which nothing that is held is trusted: the next request is for everything.

mod change;
mod update;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::datum::{Row, Uuid};
use crate::error::OvsError;
use crate::schema::{Schema, Shape};
use crate::tables::Table;

pub use change::{Change, Changes};

/// Rows by name.
type Held = BTreeMap<Uuid, Row>;

/// Rows by table.
type Tables = BTreeMap<String, Held>;

/// The columns that are watched, by table.
type Watched = BTreeMap<String, BTreeMap<String, Shape>>;

/// No transaction has this name, so nothing is found that came after it.
const NEVER: &str = "00000000-0000-0000-0000-000000000000";

/// The rows of the tables that are watched.
#[derive(Debug)]
pub struct Cache {
    database: String,
    wanted: BTreeMap<&'static str, fn(&Schema) -> Vec<&'static str>>,
    watched: Watched,
    way: Way,
    /// After which transaction the rows are as they are held.
    last: Option<String>,
    tables: Tables,
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Since,
    Differences,
    Rows,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The server does not know this way: ask again.
    Again,
    /// The rows are the server's.
    Synced(Synced),
}

/// How the rows came to be the server's.
#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    /// What is other than before.
    pub changes: Vec<Change>,
    /// Whether everything was sent, not only what was missed.
    pub whole: bool,
    /// Whether it is another database than before: the row of the switch itself is another one.
    pub replaced: bool,
}

impl Cache {
    /// Of a database.
    pub fn of(database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            wanted: BTreeMap::new(),
            watched: Watched::new(),
            way: Way::Since,
            last: None,
            tables: Tables::new(),
        }
    }

    /// Which one.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Watches a kind of row from the next request on.
    #[must_use]
    pub fn watching<T: Table>(mut self) -> Self {
        self.wanted.insert(T::NAME, Schema::columns::<T>);
        self
    }

    /// The method and the parameters by which to ask a server that was connected to, or that did not know the last way.
    pub fn request(&mut self, schema: &Schema) -> (&'static str, Value) {
        let watched = self.wanted.iter().map(|(table, columns)| {
            let shape = |column: &str| Some((column.to_owned(), *schema.column(table, column)?));
            ((*table).to_owned(), columns(schema).into_iter().filter_map(shape).collect())
        });
        let watched: Watched = watched.collect();
        if self.watched != watched {
            (self.watched, self.last) = (watched, None);
        }
        let columns =
            |columns: &BTreeMap<String, Shape>| json!([{"columns": columns.keys().collect::<Vec<_>>()}]);
        let tables = self.watched.iter().map(|(table, shapes)| (table.clone(), columns(shapes)));
        let tables = Value::Object(tables.collect::<Map<_, _>>());
        match self.way {
            Way::Since => {
                let last = self.last.as_deref().unwrap_or(NEVER);
                ("monitor_cond_since", json!([self.database, self.name(), tables, last]))
            }
            Way::Differences => ("monitor_cond", json!([self.database, self.name(), tables])),
            Way::Rows => ("monitor", json!([self.database, self.name(), tables])),
        }
    }

    /// Takes the answer to the last request.
    pub fn replied(&mut self, outcome: Result<Value, Value>) -> Result<Reply, OvsError> {
        match outcome {
            Ok(result) => {
                let synced = self.sync(&result);
                synced.inspect_err(|_| self.distrust()).map(Reply::Synced)
            }
            Err(error) if error.to_string().contains("unknown method") && self.way != Way::Rows => {
                self.way = if self.way == Way::Since { Way::Differences } else { Way::Rows };
                Ok(Reply::Again)
            }
            Err(error) => Err(OvsError::refused("monitor", &error)),
        }
    }

    /// Takes what a server tells; `None` is what is not for this cache.
    pub fn notified(&mut self, method: &str, params: &Value) -> Result<Option<Vec<Change>>, OvsError> {
        if params.get(0) != Some(&self.name()) {
            return Ok(None);
        }
        let changes = match method {
            "update" => self.apply_rows(&params[1]),
            "update2" => self.apply_differences(&params[1]),
            "update3" => {
                let changes = self.apply_differences(&params[2]);
                self.last = params[1].as_str().map(str::to_owned);
                changes
            }
            "monitor_canceled" => Err(OvsError::Update("ended: the database is gone")),
            _ => return Ok(None),
        };
        changes.inspect_err(|_| self.distrust()).map(Some)
    }

    /// The server behind the next connection may be another one, and know more ways or fewer.
    pub fn reconnected(&mut self) {
        self.way = Way::Since;
    }

    /// All rows of a kind.
    pub fn rows<T: Table>(&self) -> Result<Vec<T>, OvsError> {
        self.tables.get(T::NAME).into_iter().flat_map(BTreeMap::values).map(T::read).collect()
    }

    /// One row.
    pub fn row<T: Table>(&self, uuid: &Uuid) -> Result<Option<T>, OvsError> {
        self.tables.get(T::NAME).and_then(|held| held.get(uuid)).map(T::read).transpose()
    }

    fn name(&self) -> Value {
        json!(["flyover", self.database])
    }

    fn distrust(&mut self) {
        self.last = None;
    }

    fn sync(&mut self, result: &Value) -> Result<Synced, OvsError> {
        if self.way == Way::Since && result[0] == json!(true) {
            let changes = self.apply_differences(&result[2])?;
            self.last = result[1].as_str().map(str::to_owned);
            return Ok(Synced { changes, whole: false, replaced: false });
        }
        let mut tables = Tables::new();
        match self.way {
            Way::Since => {
                update::differences(&mut tables, &self.watched, &result[2])?;
                self.last = result[1].as_str().filter(|last| *last != NEVER).map(str::to_owned);
            }
            Way::Differences => drop(update::differences(&mut tables, &self.watched, result)?),
            Way::Rows => drop(update::rows(&mut tables, result)?),
        }
        let replaced = is_another(self.tables.get(&self.database), tables.get(&self.database));
        let changes = change::between(&self.tables, &tables);
        self.tables = tables;
        Ok(Synced { changes, whole: true, replaced })
    }

    fn apply_differences(&mut self, json: &Value) -> Result<Vec<Change>, OvsError> {
        update::differences(&mut self.tables, &self.watched, json)
    }

    fn apply_rows(&mut self, json: &Value) -> Result<Vec<Change>, OvsError> {
        update::rows(&mut self.tables, json)
    }
}

/// Whether there was a row and it is not among those that are there now. The table of a switch has its database's name.
fn is_another(was: Option<&Held>, is: Option<&Held>) -> bool {
    was.is_some_and(|was| {
        !was.is_empty() && !was.keys().any(|uuid| is.is_some_and(|is| is.contains_key(uuid)))
    })
}
