//! What can go wrong while measuring, and with what.

use std::io;
use std::time::Duration;

use flyover_net::netns::NetnsError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The system refused.
    #[error("failed to {verb} {what}")]
    System {
        /// What was attempted.
        verb: &'static str,
        /// On which object.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A place could not be entered.
    #[error("failed to enter the place of the {end}")]
    Place {
        /// Client or server.
        end: String,
        /// Why.
        source: NetnsError,
    },
    /// Nothing moved for too long: a message was lost, or never arrived.
    #[error("{what} stood still for {after:?}")]
    Stalled {
        /// Which exchange.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The other end closed, or sent something of another size.
    #[error("expected {expected} bytes and received {received}")]
    Torn {
        /// Size of the message.
        expected: usize,
        /// What came.
        received: usize,
    },
    /// The two ends do not understand each other.
    #[error("the other end {0}")]
    Peer(String),
    /// A measurement of a comparison failed.
    #[error("failed to measure {case} on path {path}")]
    Sample {
        /// Name of the case.
        case: String,
        /// Name of the path.
        path: String,
        /// Why.
        source: Box<MeasureError>,
    },
    /// The lab, or whatever else lays the paths, refused.
    #[error("failed to lay path {path} for {case}")]
    Laying {
        /// Name of the case.
        case: String,
        /// Name of the path.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// For `map_err`: names what was attempted.
pub(crate) fn failed<E: Into<io::Error>>(
    verb: &'static str,
    what: impl Into<String>,
) -> impl FnOnce(E) -> MeasureError {
    let what = what.into();
    move |source| MeasureError::System { verb, what, source: source.into() }
}
