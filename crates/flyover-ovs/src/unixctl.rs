//! Asks a daemon of Open vSwitch what `ovs-appctl` asks.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::OvsError;
use crate::session::{Event, Session};

/// Runs one command of a daemon and gives what it printed.
pub fn ask(socket: &Path, command: &str, arguments: &[&str], limit: Duration) -> Result<String, OvsError> {
    let path = || socket.to_owned();
    let mut stream =
        UnixStream::connect(socket).map_err(|source| OvsError::Connect { path: path(), source })?;
    let mut session = Session::default();
    session.request(command, json!(arguments));
    let late = || OvsError::Late { path: path(), what: format!("answer {command}"), limit };
    let lost = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => late(),
        _ => OvsError::Lost { path: path(), source },
    };
    stream.set_write_timeout(Some(limit)).map_err(lost)?;
    stream.write_all(&session.outgoing()).map_err(lost)?;
    let end = Instant::now() + limit;
    let mut bytes = [0; 16 << 10];
    loop {
        if let Some(Event::Reply { outcome, .. }) = session.event() {
            return answer(command, outcome);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        stream.set_read_timeout(Some(left)).map_err(lost)?;
        let count = stream.read(&mut bytes).map_err(lost)?;
        if count == 0 {
            return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let received = session.receive(&bytes[..count]);
        received.map_err(|source| OvsError::Malformed { path: path(), source })?;
    }
}

fn answer(command: &str, outcome: Result<Value, Value>) -> Result<String, OvsError> {
    match outcome {
        Ok(Value::String(text)) => Ok(text),
        Ok(other) => Ok(other.to_string()),
        Err(error) => Err(OvsError::Refused {
            request: command.to_owned(),
            error: error.as_str().map_or_else(|| error.to_string(), |text| text.trim_end().to_owned()),
            details: None,
        }),
    }
}
