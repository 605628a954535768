//! Why a switch did not do what was asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::wire::BadMessage;

/// Why a switch did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum OvsError {
    /// Nobody listens there.
    #[error("failed to connect to `{path}`")]
    Connect {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("lost the connection to `{path}`")]
    Lost {
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("`{path}` did not {what} within {limit:?}")]
    Late {
        /// Who.
        path: PathBuf,
        /// What was waited for: `answer transact`, `apply configuration 7`.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// It said what the protocol does not allow.
    #[error("`{path}` does not speak the protocol")]
    Malformed {
        /// Who.
        path: PathBuf,
        /// What is wrong with it.
        source: BadMessage,
    },
    /// It understood the request and said no.
    #[error("{request} was refused: {error}{}", told(.details))]
    Refused {
        /// Which request, and of a transaction which operation.
        request: String,
        /// The protocol's word for it: `constraint violation`, `referential integrity violation`, …
        error: String,
        /// What it said besides.
        details: Option<String>,
    },
    /// A `wait` of a transaction found the rows other than they were to be, so nothing was changed.
    #[error("{0}")]
    Changed(String),
    /// An operation touched another number of rows than it was to. The transaction is committed.
    #[error("{operation} touched {count} rows, not {wanted}")]
    Count {
        /// Which.
        operation: String,
        /// How many it touched.
        count: u64,
        /// How many it was to touch.
        wanted: u64,
    },
    /// The control socket of a daemon is not there.
    #[error(
        "found no control socket of `{daemon}`: {what}\n  hint: is it running, and is this its run directory?"
    )]
    NoControl {
        /// Of which.
        daemon: String,
        /// What is missing.
        what: String,
    },
    /// What it said of its tables is no schema.
    #[error("the server's schema {0}")]
    Schema(&'static str),
    /// Its tables are not those that we can work with.
    #[error("database {database} {version} lacks {lacks}\n  hint: Flyover knows Open vSwitch 2.17 to 4.0")]
    Lacks {
        /// Which database.
        database: String,
        /// In which version of its schema.
        version: String,
        /// Tables and columns.
        lacks: String,
    },
    /// There is no connection, so it was not asked.
    #[error("not connected to `{remote}`: {why}")]
    Down {
        /// To whom.
        remote: String,
        /// Why not.
        why: String,
    },
    /// It is no place where a server could be.
    #[error("remote `{text}` {why}")]
    Remote {
        /// What was read.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file for TLS cannot be used.
    #[error("failed to use `{path}` for TLS: {why}")]
    Tls {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What it told of changed rows cannot be applied.
    #[error("the server sent an update that {0}")]
    Update(&'static str),
    /// A row holds what its column's type does not allow, or lacks a column.
    #[error("column `{column}` of table {table} holds {found}, not {wanted}")]
    Column {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// What it holds.
        found: String,
        /// What it should hold.
        wanted: &'static str,
    },
}

impl OvsError {
    /// From the error that a reply holds.
    pub(crate) fn refused(request: &str, error: &Value) -> Self {
        let word = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
        Self::Refused {
            request: request.to_owned(),
            error: word("error").unwrap_or_else(|| error.to_string()),
            details: word("details"),
        }
    }
}

fn told(details: &Option<String>) -> String {
    details.as_ref().map(|details| format!(" ({details})")).unwrap_or_default()
}
