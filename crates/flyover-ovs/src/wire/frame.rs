//! Finds where a message ends.

use super::{BadMessage, LONGEST, Message};

/// Bytes that are kept ready for the next message.
const ROOM: usize = 64 << 10;

/// Bytes of a stream, taken apart into messages.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// How far `bytes` was looked through.
    seen: usize,
    /// How many braces and brackets are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
    longest: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Frames {
    /// Takes messages of so many bytes at most.
    #[must_use]
    pub fn up_to(longest: usize) -> Self {
        Self { bytes: Vec::new(), seen: 0, depth: 0, in_string: false, escaped: false, longest }
    }

    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    pub fn message(&mut self) -> Result<Option<Message>, BadMessage> {
        if self.depth == 0 && !self.begin()? {
            return Ok(None);
        }
        while let Some(&byte) = self.bytes.get(self.seen) {
            if self.seen == self.longest {
                return Err(BadMessage::Long(self.longest));
            }
            self.seen += 1;
            if self.ends_with(byte) {
                let message = serde_json::from_slice(&self.bytes[..self.seen]).map_err(BadMessage::Json);
                self.forget(self.seen);
                return Message::of(message?).map(Some);
            }
        }
        Ok(None)
    }

    /// Passes over blanks; tells whether a message begins.
    fn begin(&mut self) -> Result<bool, BadMessage> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let blanks = self.bytes.iter().take_while(|byte| blank(byte)).count();
        self.forget(blanks);
        match self.bytes.first() {
            Some(b'{') => Ok(true),
            Some(other) => Err(BadMessage::Start(*other)),
            None => Ok(false),
        }
    }

    fn forget(&mut self, count: usize) {
        self.bytes.drain(..count);
        // A long answer is followed by short ones.
        self.bytes.shrink_to(ROOM);
        self.seen = 0;
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
