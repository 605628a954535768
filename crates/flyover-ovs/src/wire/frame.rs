//! Finds where a message ends.

use super::{BadMessage, LONGEST, Message};

/// Bytes of a stream, taken apart into messages.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// How far `bytes` was looked through.
    seen: usize,
    /// How many braces and brackets are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Frames {
    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    pub fn message(&mut self) -> Result<Option<Message>, BadMessage> {
        while let Some(&byte) = self.bytes.get(self.seen) {
            self.seen += 1;
            if self.depth == 0 {
                match byte {
                    b'{' => self.depth = 1,
                    b' ' | b'\n' | b'\r' | b'\t' => {}
                    other => return Err(BadMessage::Start(other)),
                }
            } else if self.ends_with(byte) {
                let message = serde_json::from_slice(&self.bytes[..self.seen]).map_err(BadMessage::Json);
                self.bytes.drain(..self.seen);
                self.seen = 0;
                return Message::of(message?).map(Some);
            }
        }
        if self.bytes.len() > LONGEST { Err(BadMessage::Long) } else { Ok(None) }
    }

    fn ends_with(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' | b'[' if !self.in_string => self.depth += 1,
            b'}' | b']' if !self.in_string => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}
