//! What is said on one connection. No I/O: bytes in, bytes out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Ask;
use super::state::{Shared, State};
use crate::cache::Reply;
use crate::error::OvsError;
use crate::schema::Schema;
use crate::session::{Event, Session};

/// What is said on one connection, from its beginning.
#[derive(Default)]
pub(super) struct Conversation {
    session: Session,
    pending: BTreeMap<u64, Pending>,
    schema: Option<Schema>,
    synced: bool,
}

/// What an answer is for.
enum Pending {
    Server,
    Schema,
    Monitor,
    Lock(String),
    Probe,
    Asked(Ask),
}

impl Conversation {
    pub(super) fn begin(state: &State) -> Self {
        let mut begun = Self::default();
        begun.request("get_server_id", json!([]), Pending::Server);
        begun.request("get_schema", json!([state.cache.database()]), Pending::Schema);
        for lock in state.wanted_locks() {
            begun.request("lock", json!([lock]), Pending::Lock(lock));
        }
        begun
    }

    pub(super) fn ask(&mut self, mut ask: Ask) {
        let params = std::mem::take(&mut ask.params);
        // The name of a lock is needed again when the answer comes.
        ask.params = params.get(0).cloned().unwrap_or_default();
        self.request(ask.method, params, Pending::Asked(ask));
        // Callers that gave up are forgotten, so that a server that never answers them fills nothing.
        self.pending.retain(|_, pending| !matches!(pending, Pending::Asked(ask) if ask.answer.is_closed()));
    }

    pub(super) fn probe(&mut self) {
        self.request("echo", json!([]), Pending::Probe);
    }

    pub(super) fn outgoing(&mut self) -> Vec<u8> {
        self.session.outgoing()
    }

    /// Whether the tables have been the server's on this connection.
    pub(super) fn synced(&self) -> bool {
        self.synced
    }

    pub(super) fn receive(&mut self, bytes: &[u8], shared: &Shared, remote: &str) -> Result<(), OvsError> {
        let received = self.session.receive(bytes);
        received.map_err(|source| OvsError::Malformed { path: remote.into(), source })?;
        while let Some(event) = self.session.event() {
            match event {
                Event::Notification { method, params } => {
                    shared.write(|state| notified(state, &method, &params))?;
                }
                Event::Reply { id, outcome } => {
                    if let Some(pending) = self.pending.remove(&id) {
                        self.replied(pending, outcome, shared)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn replied(
        &mut self,
        pending: Pending,
        outcome: Result<Value, Value>,
        shared: &Shared,
    ) -> Result<(), OvsError> {
        match pending {
            Pending::Server => {
                // A server from before this question has no name, and cannot be told from the next one.
                if let Ok(Value::String(server)) = outcome {
                    shared.write(|state| state.answered_by(server));
                }
            }
            Pending::Schema => {
                let json = outcome.map_err(|error| OvsError::refused("get_schema", &error))?;
                let schema = Schema::of(&json)?;
                if schema.name == crate::OPEN_VSWITCH {
                    schema.check()?;
                }
                self.schema = Some(schema);
                self.monitor(shared);
            }
            Pending::Monitor => match shared.write(|state| monitored(state, outcome))? {
                Reply::Again => self.monitor(shared),
                Reply::Synced(_) => self.synced = true,
            },
            Pending::Lock(lock) => shared.write(|state| state.set_lock(&lock, is_held(&outcome))),
            Pending::Probe => {}
            Pending::Asked(ask) => answer(ask, outcome, shared),
        }
        Ok(())
    }

    fn monitor(&mut self, shared: &Shared) {
        let Some(schema) = &self.schema else { return };
        let (method, params) = shared.write(|state| state.cache.request(schema));
        self.request(method, params, Pending::Monitor);
    }

    fn request(&mut self, method: &str, params: Value, pending: Pending) {
        let id = self.session.request(method, params);
        self.pending.insert(id, pending);
    }
}

fn notified(state: &mut State, method: &str, params: &Value) -> Result<(), OvsError> {
    let lock = params.get(0).and_then(Value::as_str);
    match (method, lock) {
        ("locked", Some(lock)) => state.set_lock(lock, true),
        ("stolen", Some(lock)) => state.set_lock(lock, false),
        _ => {
            if let Some(changes) = state.cache.notified(method, params)? {
                state.changed(changes);
            }
        }
    }
    Ok(())
}

fn monitored(state: &mut State, outcome: Result<Value, Value>) -> Result<Reply, OvsError> {
    let reply = state.cache.replied(outcome)?;
    if let Reply::Synced(synced) = &reply {
        state.up(synced.clone());
    }
    Ok(reply)
}

fn is_held(outcome: &Result<Value, Value>) -> bool {
    outcome.as_ref().is_ok_and(|result| result["locked"] == json!(true))
}

fn answer(ask: Ask, outcome: Result<Value, Value>, shared: &Shared) {
    if let ("lock" | "steal", Some(lock), Ok(_)) = (ask.method, ask.params.as_str(), &outcome) {
        shared.write(|state| {
            state.add_lock(lock);
            state.set_lock(lock, is_held(&outcome));
        });
    }
    let outcome = outcome.map_err(|error| OvsError::refused(ask.method, &error));
    // Whoever asked may have given up.
    let _told = ask.answer.send(outcome);
}
