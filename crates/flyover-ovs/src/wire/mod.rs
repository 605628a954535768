//! JSON-RPC 1.0 as Open vSwitch speaks it: values back to back on a stream, without length or separator.
//!
//! Invariants: bytes may come split anywhere; what is no message ends the connection, for nobody knows where the next one
//! would begin; no message makes this side hold more than [`LONGEST`] bytes.

mod frame;
mod message;

use std::fmt;

pub use frame::Frames;
pub use message::Message;

/// The longest message that is taken. A database of a thousand ports comes in one of some megabytes.
pub const LONGEST: usize = 256 << 20;

/// Why bytes are no message.
#[derive(Debug)]
pub enum BadMessage {
    /// It is no JSON.
    Json(serde_json::Error),
    /// It begins with neither a blank nor `{`.
    Start(u8),
    /// It has no end within so many bytes.
    Long(usize),
    /// It is JSON, but no message.
    Shape(&'static str),
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "a message is no JSON: {e}"),
            Self::Start(byte) => write!(f, "a message begins with byte {byte:#04x}, not with an object"),
            Self::Long(longest) => write!(f, "a message has more than {longest} bytes"),
            Self::Shape(what) => write!(f, "a message {what}"),
        }
    }
}

impl std::error::Error for BadMessage {}
