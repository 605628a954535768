//! DEL: takes away what there is, with or without a state, a namespace, a pod.

use crate::error::CniError;
use crate::log::Log;
use crate::lot::{self, Call};
use crate::state::{Found, Store};
use crate::teardown::{How, Record, Switch, teardown};

/// Detaches. That nothing is attached is no error.
pub(super) fn del(call: Call<'_>) -> Result<(), CniError> {
    let presumed = lot::presumed(call, call.request.of()?);
    let id = presumed.id();
    let store = Store::open(call.node)?;
    let lock = store.lock(&id)?;
    let (mut state, record, unreadable) = match store.look(&id) {
        Some(Found::State(known)) if !known.is_debt() => (*known, Record::Read, None),
        Some(Found::State(_)) | None => (presumed.clone(), Record::Nothing, None),
        // What cannot be read cannot be believed either: we fall back on what the runtime says.
        Some(Found::Cut) => {
            Log::open(call.node).cut(&id);
            (presumed.clone(), Record::Unreadable, None)
        }
        Some(Found::Unreadable(error)) => (presumed.clone(), Record::Unreadable, Some(error)),
    };
    if record != Record::Read
        && let Some(path) = call.network.device_info()
    {
        // What ADD would have refused it has not written.
        state.device_info = lot::device_info(call.node, path).ok();
    }
    if let Some(ipam) = &mut state.ipam {
        ipam.look_in(&call.request.path);
    }
    // An ADD that failed may have failed by a configuration that was mended since.
    let second = presumed.ipam.filter(|_| record == Record::Read && state.result.is_none());
    let how = How { lock: &lock, record, switch: Switch::Ask, second };
    let errors = teardown(call.node, &store, &mut state, how);
    let unreadable = unreadable.filter(|_| !errors.is_empty());
    CniError::all(&[errors, unreadable.into_iter().collect()].concat()).map_or(Ok(()), Err)
}
