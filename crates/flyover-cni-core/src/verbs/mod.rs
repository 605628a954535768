//! What a runtime can ask.
//!
//! Invariant: a verb returns its answer or one error; nothing here prints, and nothing but the node's configuration says
//! where anything lies.

mod add;
mod check;
mod del;
mod gc;
mod status;

use serde_json::{Value, json};

use crate::error::CniError;
use crate::lot::Call;
use crate::request::Verb;
use crate::version::Version;

/// Does what is asked. What is given back goes to standard output.
pub fn act(call: Call<'_>) -> Result<Option<Value>, CniError> {
    match call.request.verb {
        Verb::Add => add::add(call).map(|result| Some(result.render(call.network.version))),
        Verb::Del => del::del(call).map(|()| None),
        Verb::Check => check::check(call).map(|()| None),
        Verb::Gc => gc::gc(call).map(|()| None),
        Verb::Status => status::status(call).map(|()| None),
        Verb::Version => Ok(Some(versions(call.network.version))),
    }
}

/// Which versions are spoken.
#[must_use]
pub fn versions(asked: Version) -> Value {
    json!({"cniVersion": asked.as_str(), "supportedVersions": Version::ALL.map(Version::as_str)})
}
