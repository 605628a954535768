//! Takes away all that an ADD made: for DEL, for an ADD that failed, and for the collection of what was left.
//!
//! Invariants: it goes on after a failure and tells all of them; it is safe to repeat; what is not there is no failure; the
//! state goes last, and only when nothing is left that it would be needed for; what can never go well is not waited for.

use flyover_ovs::Client;

use crate::error::CniError;
use crate::ipam::{self, Failure, For};
use crate::log::Log;
use crate::node::{LogLevel, Node};
use crate::state::{Ipam, Lock, Phase, State, Store};
use crate::{devinfo, sockets, switch};

/// Whether the switch is to be asked: an ADD that never came to it has nothing there.
#[derive(Debug)]
pub enum Switch<'a> {
    /// By a connection of its own.
    Ask,
    /// By this one.
    Connected(&'a mut Client),
    /// There is nothing to be removed.
    Untouched,
}

/// What was written down of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// This state.
    Read,
    /// Nothing, so nothing was made that anybody knows of.
    Nothing,
    /// Something that cannot be read, so anything may be there.
    Unreadable,
}

/// How an attachment is taken away.
#[derive(Debug)]
pub struct How<'a> {
    /// What keeps others away.
    pub lock: &'a Lock,
    /// What was written down.
    pub record: Record,
    /// How the switch is asked.
    pub switch: Switch<'a>,
    /// Who else may take addresses back, if the one that gave them does not.
    pub second: Option<Ipam>,
}

impl<'a> How<'a> {
    /// By a state that was read.
    #[must_use]
    pub fn read(lock: &'a Lock, switch: Switch<'a>) -> Self {
        Self { lock, record: Record::Read, switch, second: None }
    }
}

/// Takes away an attachment.
pub fn teardown(node: &Node, store: &Store, state: &mut State, how: How<'_>) -> Vec<CniError> {
    let How { lock, record, switch, second } = how;
    let mut unsaved = None;
    if record == Record::Read && state.phase != Phase::Deleting {
        state.phase = Phase::Deleting;
        // A disk that is full is no reason to keep what can go; it is told if something has to stay.
        unsaved = store.save(state).err();
    }
    let detached = detach(node, state, switch);
    // Nobody can say whether there is a port, and who forgets now leaves it for ever.
    let owed = record == Record::Nothing && matches!(&detached, Err(Undetached::Unasked(_)));
    let mut errors = Vec::from_iter(detached.err().filter(|_| !owed).map(CniError::from));
    errors.extend(devinfo::remove(&node.device_info_dir, state).err());
    errors.extend(addresses(node, state, (lock, record), second.as_ref()).err());
    errors.extend(sockets::remove(state));
    if errors.is_empty() {
        let end = if owed { store.owe(node, &state.attachment) } else { store.remove(&state.id()) };
        errors.extend(end.err());
    }
    if errors.is_empty() { errors } else { errors.into_iter().chain(unsaved).collect() }
}

/// Takes its ports out of the switch: of the one they were put into, and of the one that the node has by now.
fn detach(node: &Node, state: &State, switch: Switch<'_>) -> Result<(), Undetached> {
    let id = state.id();
    let remove = |database| {
        let mut client = switch::connect(database, node).map_err(Undetached::Unasked)?;
        switch::remove(&mut client, &id).map_err(Undetached::Refused)
    };
    match switch {
        Switch::Untouched => Ok(()),
        Switch::Connected(client) => switch::remove(client, &id).map_err(Undetached::Refused),
        Switch::Ask if state.database == node.database => remove(&node.database),
        Switch::Ask => {
            let (then, now) = (remove(&state.database), remove(&node.database));
            then.or(now)
        }
    }
}

/// Why a port may be there still.
enum Undetached {
    /// There was nobody to be asked.
    Unasked(CniError),
    /// Whoever was asked did not do it.
    Refused(CniError),
}

impl From<Undetached> for CniError {
    fn from(why: Undetached) -> Self {
        match why {
            Undetached::Unasked(error) | Undetached::Refused(error) => error,
        }
    }
}

/// Gives addresses back. Where nobody can have any, an answer that says so is as good as one that does not.
fn addresses(
    node: &Node,
    state: &State,
    (lock, record): (&Lock, Record),
    second: Option<&Ipam>,
) -> Result<(), CniError> {
    let Some(first) = &state.ipam else { return Ok(()) };
    let of = For { attachment: &state.attachment, netns: state.netns.as_deref(), lock };
    let mut first = first.clone();
    first.look_in(&node.ipam_path);
    if record != Record::Read && ipam::find(&first.plugin, &first.path).is_err() {
        return Ok(());
    }
    let again = |failure: Failure| match second.filter(|second| **second != first) {
        Some(second) => ipam::del(second, of).map_err(|_| failure),
        None => Err(failure),
    };
    let Err(failure) = ipam::del(&first, of).or_else(again) else { return Ok(()) };
    // It gave nothing, or nobody knows that it did; and what it answered it will answer for ever.
    if first.refused || (failure.said && record == Record::Nothing) {
        let text = format!("no address is known of {}, and {}", state.attachment, failure.error);
        Log::open(node).line(LogLevel::Error, &text);
        return Ok(());
    }
    Err(failure.error)
}
