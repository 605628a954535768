//! The three kinds of messages.

use serde_json::{Value, json};

use super::BadMessage;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Somebody wants an answer.
    Request {
        /// What.
        method: String,
        /// Of what.
        params: Value,
        /// Under which name the answer is expected; any JSON but null.
        id: Value,
    },
    /// Somebody tells something.
    Notification {
        /// What.
        method: String,
        /// Of what.
        params: Value,
    },
    /// The answer to a request.
    Reply {
        /// To which.
        id: Value,
        /// What came of it: the result, or the error.
        outcome: Result<Value, Value>,
    },
}

impl Message {
    /// A message from its JSON.
    pub fn of(json: Value) -> Result<Self, BadMessage> {
        let Value::Object(mut object) = json else { return Err(BadMessage::Shape("is no object")) };
        let mut take = |key: &str| object.remove(key).unwrap_or(Value::Null);
        let (method, id) = (take("method"), take("id"));
        match (method, id) {
            (Value::String(method), Value::Null) => Ok(Self::Notification { method, params: take("params") }),
            (Value::String(method), id) => Ok(Self::Request { method, params: take("params"), id }),
            (Value::Null, Value::Null) => Err(BadMessage::Shape("has neither `method` nor `id`")),
            (Value::Null, id) => match (take("error"), take("result")) {
                (Value::Null, result) => Ok(Self::Reply { id, outcome: Ok(result) }),
                (error, _) => Ok(Self::Reply { id, outcome: Err(error) }),
            },
            _ => Err(BadMessage::Shape("has a `method` that is no string")),
        }
    }

    /// As it goes over the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let json = match self {
            Self::Request { method, params, id } => json!({"method": method, "params": params, "id": id}),
            Self::Notification { method, params } => json!({"method": method, "params": params, "id": null}),
            Self::Reply { id, outcome: Ok(result) } => json!({"result": result, "error": null, "id": id}),
            Self::Reply { id, outcome: Err(error) } => json!({"result": null, "error": error, "id": id}),
        };
        serde_json::to_vec(&json).expect("a value has string keys alone")
    }
}
