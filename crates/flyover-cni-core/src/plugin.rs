//! One call of the plugin: what comes in by environment and standard input, what goes out by standard output.
//!
//! Invariant: standard output is one JSON document or nothing, also for a failure, and the exit code is 0 or 1.

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::error::{CniError, Code};
use crate::log::Log;
use crate::lot::Call;
use crate::netconf::{LONGEST, Network, version_of};
use crate::node::{LogLevel, Node};
use crate::request::{Request, Verb};
use crate::verbs;
use crate::version::Version;

/// What goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// To standard output.
    pub text: Option<Value>,
    /// Whether all went well.
    pub good: bool,
}

/// Does what environment and input ask, on the host below a root.
pub fn run(root: &Path, variable: impl Fn(&str) -> Option<String>, input: impl Read) -> Answer {
    let mut text = Vec::new();
    let read = input.take(LONGEST).read_to_end(&mut text);
    let version = serde_json::from_slice(&text).ok().and_then(|raw: Value| version_of(&raw).ok());
    let done = read
        .map_err(|e| CniError::new(Code::Io, "failed to read standard input").because(&e))
        .and_then(|_| Request::read(variable))
        .and_then(|request| act(root, &request, &text));
    match done {
        Ok(text) => Answer { text, good: true },
        Err(error) => Answer { text: Some(error.json(version.unwrap_or(Version::NEWEST))), good: false },
    }
}

fn act(root: &Path, request: &Request, text: &[u8]) -> Result<Option<Value>, CniError> {
    if request.verb == Verb::Version {
        let raw: Value = serde_json::from_slice(text).unwrap_or_default();
        return Ok(Some(verbs::versions(version_of(&raw).unwrap_or(Version::NEWEST))));
    }
    let network = Network::parse(text)?;
    let node = Node::load(root)?;
    let (log, began) = (Log::open(&node), Instant::now());
    let done = verbs::act(Call { node: &node, network: &network, request });
    let of = request
        .of
        .as_ref()
        .map(|of| format!(" container={} ifname={}", of.container, of.ifname))
        .unwrap_or_default();
    let line = |outcome: &str| {
        format!(
            "{} network={}{of} {outcome} after {:?}",
            request.verb.as_str(),
            network.name,
            began.elapsed()
        )
    };
    match &done {
        Ok(_) => log.line(
            if matches!(request.verb, Verb::Add | Verb::Del | Verb::Gc) {
                LogLevel::Info
            } else {
                LogLevel::Debug
            },
            &line("done"),
        ),
        Err(error) => log.line(LogLevel::Error, &line(&format!("failed with {}: {error}", error.code))),
    }
    done
}
