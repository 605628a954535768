//! One connection, without the connection: bytes in, events and bytes out.
//!
//! Invariants: the server's `echo` is answered by the call that received it, so whoever hands bytes on in time is never
//! dropped for silence; what the server asks besides is answered with an error, never with silence or a panic.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::wire::{BadMessage, Frames, Message};

/// One connection to a server.
#[derive(Debug, Default)]
pub struct Session {
    frames: Frames,
    last_id: u64,
    outgoing: Vec<u8>,
    events: VecDeque<Event>,
}

/// What a server said that is for whoever holds the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer to a request.
    Reply {
        /// To which.
        id: u64,
        /// The result, or the error.
        outcome: Result<Value, Value>,
    },
    /// `update`, `update2`, `update3`, `locked`, `stolen`, …
    Notification {
        /// Which.
        method: String,
        /// Of what.
        params: Value,
    },
}

impl Session {
    /// Asks for something; the reply will have the number that is given back.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let request = Message::Request { method: method.to_owned(), params, id: json!(self.last_id) };
        self.outgoing.extend(request.bytes());
        self.last_id
    }

    /// Takes bytes of the server.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), BadMessage> {
        self.frames.push(bytes);
        while let Some(message) = self.frames.message()? {
            self.take(message)?;
        }
        Ok(())
    }

    /// The next thing the server said.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is to be sent; it is forgotten here.
    #[must_use]
    pub fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    fn take(&mut self, message: Message) -> Result<(), BadMessage> {
        match message {
            Message::Request { method, params, id } => {
                let outcome = if method == "echo" {
                    Ok(params)
                } else {
                    Err(json!({"error": "unknown method", "details": method}))
                };
                self.outgoing.extend(Message::Reply { id, outcome }.bytes());
            }
            Message::Notification { method, params } => {
                self.events.push_back(Event::Notification { method, params });
            }
            Message::Reply { id, outcome } => {
                let id = id.as_u64().ok_or(BadMessage::Shape("answers what was not asked"))?;
                self.events.push_back(Event::Reply { id, outcome });
            }
        }
        Ok(())
    }
}
