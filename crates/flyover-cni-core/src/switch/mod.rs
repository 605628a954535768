//! Attachments as rows of the switch's database.
//!
//! Invariants: a row is changed or removed only if it says that it is ours and of this attachment; an attachment comes and
//! goes in one transaction; what the database says of a port is held against what the datapath does.

mod attach;
mod deep;
mod inspect;
mod owner;
mod remove;
mod status;

pub use attach::attach;
pub(crate) use attach::mac;
pub use deep::{collect, passes};
pub use inspect::{changes, differences};
pub use owner::{Owned, all};
pub use remove::remove;
pub use status::{daemon, status};

use std::path::Path;

use flyover_ovs::Client;

use crate::error::CniError;
use crate::node::Node;
use crate::state::State;

/// Connects to the database that an attachment was put into, or where the node has it by now.
pub fn reach(state: &State, node: &Node) -> Result<Client, CniError> {
    connect(&state.database, node).or_else(|error| {
        if state.database == node.database { Err(error) } else { connect(&node.database, node) }
    })
}

/// Connects to a switch's database.
pub fn connect(database: &Path, node: &Node) -> Result<Client, CniError> {
    Ok(Client::connect(database, node.limit())?)
}
