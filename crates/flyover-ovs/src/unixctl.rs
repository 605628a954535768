//! Asks a daemon of Open vSwitch what `ovs-appctl` asks.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::OvsError;
use crate::line::Line;

/// Runs one command of a daemon and gives what it printed.
pub fn ask(socket: &Path, command: &str, arguments: &[&str], limit: Duration) -> Result<String, OvsError> {
    let end = Instant::now() + limit;
    let mut line = Line::connect(socket, limit)?;
    let id = line.request(command, json!(arguments));
    match line.reply(id, command, end)? {
        Ok(Value::String(text)) => Ok(text),
        Ok(other) => Ok(other.to_string()),
        Err(error) => Err(OvsError::Refused {
            request: command.to_owned(),
            error: error.as_str().map_or_else(|| error.to_string(), |text| text.trim_end().to_owned()),
            details: None,
        }),
    }
}
