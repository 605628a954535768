//! Does the bridge of an attachment pass frames?
//!
//! Why: every row can be as it was written while nothing passes, and what the pod has is not ours to send through. So two
//! ports are added for a moment, where the attachment's port is, and frames go from one to the other.
//!
//! Invariant: the two ports are the probe's own, and so marked; those of one that was killed are taken away by the next and
//! by each collection.

use std::time::{Duration, Instant};

use flyover_vhost::probe;

use crate::error::{CniError, Code};
use crate::failpoint;
use crate::node::Node;
use crate::state::{Port, State};

/// From the ports' birth until a frame has passed: the switch tries only once a second to connect.
const LIMIT: Duration = Duration::from_secs(15);

/// Fails if no frame passes.
pub fn passes(node: &Node, state: &State, port: &Port) -> Result<(), CniError> {
    let bridge = port.wish.bridge.as_str();
    let end = Instant::now() + node.limit().max(LIMIT);
    failpoint::before("probe the bridge");
    probe::probe(&state.database, bridge, port.wish.vlan, end).map(drop).map_err(|error| {
        CniError::new(Code::Switch, format!("bridge `{bridge}` passes no frames")).because(&error)
    })
}

/// Takes away what a probe left that was killed.
pub fn collect(node: &Node) -> Result<(), CniError> {
    Ok(probe::collect(&node.database, node.limit()).map(drop)?)
}
