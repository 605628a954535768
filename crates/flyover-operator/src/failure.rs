//! What a request to the API server may come back with, told apart by what is done about it.

use kube::Error;

/// Somebody else wrote meanwhile, or there is such an object already.
pub(crate) fn is_conflict(error: &Error) -> bool {
    code(error) == Some(409)
}

/// There is none.
pub(crate) fn is_gone(error: &Error) -> bool {
    code(error) == Some(404)
}

/// What the server said, or the error.
pub(crate) fn message(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// An error and what led to it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
