//! Why a switch did not do what was asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

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

fn told(details: &Option<String>) -> String {
    details.as_ref().map(|details| format!(" ({details})")).unwrap_or_default()
}
