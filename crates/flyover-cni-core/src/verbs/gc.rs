//! GC: takes away what is attached to this network and not on the runtime's list.

use std::collections::BTreeSet;

use crate::error::{CniError, Code};
use crate::ipam;
use crate::log::Log;
use crate::lot::{self, Call};
use crate::names::{Attachment, AttachmentId};
use crate::request::Verb;
use crate::state::{Found, Ipam, Store};
use crate::switch;
use crate::teardown::{How, Record, Switch, teardown};
use crate::version::Version;

/// Goes on after each failure, and tells of all.
pub(super) fn gc(call: Call<'_>) -> Result<(), CniError> {
    let version = call.network.version;
    if version < Version::V110 {
        return Err(CniError::new(Code::Version, format!("version {version} of CNI has no GC")));
    }
    let network = &call.network.name;
    let named = |(container, ifname)| Attachment { network: network.clone(), container, ifname };
    let valid: BTreeSet<AttachmentId> = call.network.valid()?.into_iter().map(|of| named(of).id()).collect();
    let store = Store::open(call.node)?;
    let mut errors = Vec::new();
    for (id, found) in store.all()? {
        let goes = match &found {
            Some(Found::State(state)) => state.attachment.network == *network && !valid.contains(&id),
            Some(Found::Unreadable(_)) => false,
            Some(Found::Cut) => {
                Log::open(call.node).cut(&id);
                true
            }
            // Half-written, and so the first thing that was done: whoever writes it now has the lock.
            None => true,
        };
        if goes {
            errors.extend(forget(call, &store, &id, &valid));
        }
    }
    errors.extend(rows(call, &store, &valid));
    errors.extend(switch::collect(call.node).err());
    if let Some(plugin) = &call.network.ipam {
        let path = if call.node.ipam_path.is_empty() { &call.request.path } else { &call.node.ipam_path };
        let ipam = Ipam {
            plugin: plugin.clone(),
            path: path.clone(),
            args: String::new(),
            configuration: call.network.raw.clone(),
            refused: false,
        };
        errors.extend(ipam::forward(&ipam, Verb::Gc).err());
    }
    CniError::all(&errors).map_or(Ok(()), Err)
}

/// What is known of it is read again under the lock: an ADD may have come in between, and then it is that one's.
fn forget(call: Call<'_>, store: &Store, id: &AttachmentId, valid: &BTreeSet<AttachmentId>) -> Vec<CniError> {
    let forget = || {
        let lock = store.lock(id)?;
        match store.load(id)? {
            Some(mut state) if state.attachment.network == call.network.name && !valid.contains(id) => {
                if let Some(ipam) = &mut state.ipam {
                    ipam.look_in(&call.request.path);
                }
                Ok(teardown(call.node, store, &mut state, How::read(&lock, Switch::Ask)))
            }
            Some(_) => Ok(Vec::new()),
            None => store.remove(id).map(|()| Vec::new()),
        }
    };
    forget().unwrap_or_else(|error: CniError| vec![error])
}

/// Ports of this network that no state tells of.
fn rows(call: Call<'_>, store: &Store, valid: &BTreeSet<AttachmentId>) -> Vec<CniError> {
    let of_this = |attachment: &Attachment| {
        attachment.network == call.network.name && !valid.contains(&attachment.id())
    };
    let remove = || {
        let mut client = switch::connect(&call.node.database, call.node)?;
        let mut errors = Vec::new();
        for attachment in
            switch::all(&mut client)?.into_iter().filter_map(|owned| owned.attachment).filter(of_this)
        {
            let lock = store.lock(&attachment.id())?;
            // With a state it is no port without one: an ADD came in between, or nobody can say whose it is.
            if !matches!(store.load(&attachment.id()), Ok(None)) {
                continue;
            }
            let mut state = lot::bare(call.node, attachment);
            let switch = Switch::Connected(&mut client);
            let how = How { lock: &lock, record: Record::Nothing, switch, second: None };
            errors.extend(teardown(call.node, store, &mut state, how));
        }
        Ok(errors)
    };
    remove().unwrap_or_else(|error: CniError| vec![error])
}
