//! DEL: takes away what there is, with or without a state, a namespace, a pod.

use crate::error::CniError;
use crate::lot::{self, Call};
use crate::state::Store;
use crate::teardown::{Switch, teardown};

/// Detaches. That nothing is attached is no error.
pub(super) fn del(call: Call<'_>) -> Result<(), CniError> {
    let presumed = lot::presumed(call, call.request.of()?);
    let id = presumed.id();
    let store = Store::open(&call.node.state_dir)?;
    let _lock = store.lock(&id)?;
    let (mut state, known, unreadable) = match store.load(&id) {
        Ok(Some(known)) => (known, true, None),
        Ok(None) => (presumed, false, None),
        // What cannot be read cannot be believed either: we fall back on what the runtime says.
        Err(error) => (presumed, false, Some(error)),
    };
    if !known && let Some(path) = call.network.device_info() {
        // One that ADD refuses was never written.
        state.device_info = lot::device_info(call.node, path).ok();
    }
    // An ADD that failed may have failed by a configuration that was mended since.
    if known && state.result.is_none() {
        state.ipam = lot::presumed(call, call.request.of()?).ipam;
    }
    let switch = if unreadable.is_some() { Switch::Insist } else { Switch::Ask };
    let errors = teardown(call.node, &store, &mut state, known, switch);
    let unreadable = unreadable.filter(|_| !errors.is_empty());
    CniError::all(&[errors, unreadable.into_iter().collect()].concat()).map_or(Ok(()), Err)
}
