//! Makes an attachment again what its ADD left, after somebody else changed it.
//!
//! Why: a database that was wiped takes the ports of pods that live on, and nobody calls ADD for them again.
//!
//! Invariants: the state is the truth, read under the lock of its attachment: an ADD or a DEL under way is waited for, and what
//! it left is what counts, so what was detached never comes back; what is as it should be is not touched.

use crate::error::CniError;
use crate::names::AttachmentId;
use crate::node::Node;
use crate::state::{Phase, State, Store};
use crate::{sockets, switch};

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At the sockets and their broker.
    Sockets,
    /// At the rows of the switch as well.
    Rows,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It is as ADD left it.
    Whole,
    /// Nobody is attached by that name, or ADD or DEL did not come to its end.
    Nobody,
    /// This was not as ADD left it, and is again.
    Mended(Vec<String>),
}

/// Looks at an attachment, and makes again what is not as ADD left it.
pub fn repair(node: &Node, store: &Store, id: &AttachmentId, depth: Depth) -> Result<Repaired, CniError> {
    let _lock = store.lock_soon(id)?;
    let ours = |state: &State| state.phase == Phase::Attached && !state.is_of_another_boot();
    let attached = store.load(id)?.filter(ours);
    let Some(mut state) = attached else { return Ok(Repaired::Nobody) };
    let mut found = sockets::differences(&state);
    if !found.is_empty() {
        sockets::make(&mut state)?;
        sockets::serve(&mut state)?;
        store.save(&state)?;
    }
    if let (Some(port), Depth::Rows) = (&state.port, depth) {
        let mut client = switch::connect(&state.database, node)?;
        let rows = switch::changes(&mut client, &state, port)?;
        if !rows.is_empty() {
            switch::attach(&mut client, node, &state, port)?;
        }
        found.extend(rows);
    }
    Ok(if found.is_empty() { Repaired::Whole } else { Repaired::Mended(found) })
}
