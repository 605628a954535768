//! Takes away all that an ADD made: for DEL, for an ADD that failed, and for the collection of what was left.
//!
//! Invariants: it goes on after a failure and tells all of them; it is safe to repeat; what is not there is no failure; the
//! state goes last, and only when nothing is left that it would be needed for.

use flyover_ovs::Client;

use crate::error::CniError;
use crate::ipam::{self, For};
use crate::node::Node;
use crate::state::{Ipam, Phase, State, Store};
use crate::{devinfo, sockets, switch};

/// Whether the switch is to be asked: an ADD that never came to it has nothing there.
#[derive(Debug)]
pub enum Switch<'a> {
    /// By a connection of its own.
    Ask,
    /// By a connection of its own, and it has to answer: there is a state that nobody can read, so there may be a port.
    Insist,
    /// By this one.
    Connected(&'a mut Client),
    /// There is nothing to be removed.
    Untouched,
}

/// Takes away an attachment. `known` says that its state was written.
pub fn teardown(node: &Node, store: &Store, state: &mut State, known: bool, of: Switch<'_>) -> Vec<CniError> {
    let mut errors = Vec::new();
    let mut unsaved = None;
    if known && state.phase != Phase::Deleting {
        state.phase = Phase::Deleting;
        // A disk that is full is no reason to keep what can go; it is told if something has to stay.
        unsaved = store.save(state).err();
    }
    let id = state.id();
    let removed = match of {
        Switch::Untouched => Ok(()),
        Switch::Connected(client) => switch::remove(client, &id),
        Switch::Ask => match switch::connect(&state.database, node) {
            Ok(mut client) => switch::remove(&mut client, &id),
            // A port is made after the state was written: without one there is none that we would leave behind.
            Err(_) if !known => Ok(()),
            Err(error) => Err(error),
        },
        Switch::Insist => {
            switch::connect(&state.database, node).and_then(|mut client| switch::remove(&mut client, &id))
        }
    };
    errors.extend(removed.err());
    errors.extend(devinfo::remove(&node.device_info_dir, state).err());
    // Without a state and without the plugin no address was ever given.
    let asked = |ipam: &&Ipam| known || ipam::find(&ipam.plugin, &ipam.path).is_ok();
    if let Some(ipam) = state.ipam.as_ref().filter(asked) {
        let of = For { attachment: &state.attachment, netns: state.netns.as_deref() };
        errors.extend(ipam::del(ipam, of).err());
    }
    errors.extend(sockets::remove(state));
    if errors.is_empty() {
        errors.extend(store.remove(&id).err());
    }
    if errors.is_empty() { errors } else { errors.into_iter().chain(unsaved).collect() }
}
