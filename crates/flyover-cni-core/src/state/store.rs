//! The directories of all that is known.
//!
//! Two of them, since to write on a disk and wait until it is there takes longer than all else that ADD does. What most
//! attachments leave goes when the machine stops (directories, mounts and brokers below `/run`) or says itself whose it is (rows
//! of the switch): their states are in memory. An address and a directory in a network's `sharedDir` stay on disks, and
//! only the state tells of them: such a state is on a disk too.
//!
//! Invariants: a state on a disk is there whole, whenever the power is cut, once something of it was made; a state is
//! found in either directory, whichever it was written to.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{Outlasts, failed, half, id_of, look, make, name, remove, replace};
use super::{Lock, Phase, State};
use crate::error::{CniError, Code};
use crate::lot;
use crate::names::{Attachment, AttachmentId};
use crate::node::Node;

/// Twice what a plugin for addresses may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// An ADD or a DEL that nothing hinders.
const SOON: Duration = Duration::from_secs(5);

/// The directories.
#[derive(Clone, Debug)]
pub struct Store {
    /// As long as the machine runs.
    fleeting: PathBuf,
    /// On a disk; made when there is something for it.
    lasting: PathBuf,
}

/// What a file of them holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// An attachment.
    State(Box<State>),
    /// The beginning of one, or nothing: the power was cut, or a disk was full, and what was made nobody knows.
    Cut,
    /// Nothing that can be read.
    Unreadable(CniError),
}

impl Store {
    /// Opens those of a node; they are made if they are not there.
    pub fn open(node: &Node) -> Result<Self, CniError> {
        make(&node.state_dir)?;
        Ok(Self::of(node))
    }

    /// Those of a node for who only looks: nothing is made.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        Self { fleeting: node.state_dir.clone(), lasting: node.lasting_dir.clone() }
    }

    /// Waits until nobody else works on an attachment, a minute at most.
    pub fn lock(&self, id: &AttachmentId) -> Result<Lock, CniError> {
        Lock::wait(&self.fleeting, id, PATIENCE)
    }

    /// The same, for who looks after all attachments and comes back: one that somebody works on for long is left alone.
    pub fn lock_soon(&self, id: &AttachmentId) -> Result<Lock, CniError> {
        Lock::wait(&self.fleeting, id, SOON)
    }

    /// What is known of an attachment; of one whose state was cut that is nothing.
    pub fn load(&self, id: &AttachmentId) -> Result<Option<State>, CniError> {
        match self.look(id) {
            Some(Found::State(state)) => Ok(Some(*state)),
            Some(Found::Unreadable(error)) => Err(error),
            Some(Found::Cut) | None => Ok(None),
        }
    }

    /// What there is of an attachment.
    #[must_use]
    pub fn look(&self, id: &AttachmentId) -> Option<Found> {
        self.files(id).iter().find_map(|path| look(path, id))
    }

    /// Writes what will be made, unless another attachment has the same socket. It is where it has to be before this
    /// returns.
    pub fn begin(&self, state: &State) -> Result<(), CniError> {
        let _place = self.claim(state)?;
        self.write(state, Outlasts::TheMachineFirst)
    }

    /// That no other attachment has the place of this one's socket, and that none takes it before this one is written.
    /// Who has this lock waits for no other, so nobody waits for ever.
    ///
    /// A name that nobody chose is no other's, and need not be looked for in all states there are.
    fn claim(&self, state: &State) -> Result<Option<Lock>, CniError> {
        let chosen = |state: &State| state.port.as_ref()?.wish.socketfile.as_ref().and(state.sockets.place());
        let Some(place) = chosen(state) else { return Ok(None) };
        let lock = self.lock(&AttachmentId::of(&place))?;
        // One that is on its way out removes what it made by its inode, and harms nobody who comes after it.
        let goes = |other: &State| other.phase == Phase::Deleting || other.is_of_another_boot();
        let has_it = |other: &State| {
            other.id() != state.id() && !goes(other) && chosen(other).as_ref() == Some(&place)
        };
        for (_, found) in self.all()? {
            if let Some(Found::State(other)) = found
                && has_it(&other)
            {
                let msg = format!("the socket of {} is that of {}", state.attachment, other.attachment);
                return Err(CniError::new(Code::Config, msg)
                    .details("hint: another vhost.socketfile, or none, for one of the two networks"));
            }
        }
        Ok(Some(lock))
    }

    /// Writes what is known by now.
    pub fn save(&self, state: &State) -> Result<(), CniError> {
        self.write(state, Outlasts::TheMachine)
    }

    fn write(&self, state: &State, on_a_disk: Outlasts) -> Result<(), CniError> {
        if state.lasts() {
            make(&self.lasting)?;
            replace(&self.lasting, state, on_a_disk)?;
            self.forget(&self.fleeting, &state.id())
        } else {
            replace(&self.fleeting, state, Outlasts::UsOnly)?;
            self.forget(&self.lasting, &state.id())
        }
    }

    /// What was written elsewhere before, by an older version or before it was known that there are addresses.
    fn forget(&self, elsewhere: &Path, id: &AttachmentId) -> Result<(), CniError> {
        if self.fleeting == self.lasting { Ok(()) } else { remove(&elsewhere.join(name(id))) }
    }

    /// Notes that an attachment is still to be taken out of the switch, by whoever collects: the runtime forgets it now, and
    /// the machine may be started again before there is a switch.
    pub(crate) fn owe(&self, node: &Node, attachment: &Attachment) -> Result<(), CniError> {
        let debt = State { phase: Phase::Deleting, ..lot::bare(node, attachment.clone()) };
        make(&self.lasting)?;
        replace(&self.lasting, &debt, Outlasts::TheMachineFirst)
    }

    /// Forgets an attachment.
    pub fn remove(&self, id: &AttachmentId) -> Result<(), CniError> {
        let half = self.places().map(|place| place.join(half(id)));
        half.iter().chain(&self.files(id)).try_for_each(|path| remove(path))
    }

    /// All attachments there are files of, also half-written ones.
    pub fn list(&self) -> Result<Vec<AttachmentId>, CniError> {
        let mut ids = Vec::new();
        for place in self.places() {
            match fs::read_dir(place) {
                Ok(entries) => {
                    ids.extend(entries.flatten().filter_map(|entry| id_of(entry.file_name().to_str()?)));
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(failed("list", place, &e)),
            }
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// What is known of all attachments; none is half-written.
    pub fn all(&self) -> Result<Vec<(AttachmentId, Option<Found>)>, CniError> {
        let look = |id: AttachmentId| {
            let found = self.look(&id);
            (id, found)
        };
        Ok(self.list()?.into_iter().map(look).collect())
    }

    fn places(&self) -> [&Path; 2] {
        [&self.fleeting, &self.lasting]
    }

    fn files(&self, id: &AttachmentId) -> [PathBuf; 2] {
        self.places().map(|place| place.join(name(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lot;
    use crate::names::Attachment;
    use crate::state::Ipam;

    fn store(root: &Path) -> (Store, State) {
        let node = Node::below(root);
        let attachment = Attachment {
            network: "net".parse().unwrap(),
            container: "c1".parse().unwrap(),
            ifname: "net1".parse().unwrap(),
        };
        (Store::open(&node).unwrap(), lot::bare(&node, attachment))
    }

    fn with_addresses(state: &State) -> State {
        let ipam = Ipam {
            plugin: "host-local".parse().unwrap(),
            path: Vec::new(),
            args: String::new(),
            configuration: serde_json::Value::Null,
            refused: false,
        };
        State { ipam: Some(ipam), ..state.clone() }
    }

    #[test]
    fn what_is_written_is_found_until_it_is_removed_and_what_was_cut_is_told_from_what_is_no_state() {
        let root = tempfile::tempdir().unwrap();
        let (store, state) = store(root.path());
        let id = state.id();
        store.begin(&state).unwrap();
        assert_eq!(store.load(&id), Ok(Some(state.clone())));
        let file = root.path().join("run/flyover/cni").join(name(&id));
        let whole = fs::read_to_string(&file).unwrap();
        for cut in ["", "{", &whole[..whole.len() / 2]] {
            fs::write(&file, cut).unwrap();
            assert_eq!((store.look(&id), store.load(&id)), (Some(Found::Cut), Ok(None)), "{cut}");
        }
        fs::write(&file, "[]").unwrap();
        assert!(matches!(store.all().unwrap().as_slice(), [(_, Some(Found::Unreadable(_)))]));
        store.remove(&id).unwrap();
        assert_eq!(store.list(), Ok(Vec::new()));
    }

    #[test]
    fn only_what_outlasts_the_machine_is_on_a_disk_and_what_an_older_version_left_there_is_found_and_moved() {
        let root = tempfile::tempdir().unwrap();
        let (store, state) = store(root.path());
        let id = state.id();
        let there = || {
            ["run", "var/lib"].map(|dir| root.path().join(dir).join("flyover/cni").join(name(&id)).exists())
        };
        store.begin(&state).unwrap();
        assert_eq!(there(), [true, false]);
        let lasting = with_addresses(&state);
        store.save(&lasting).unwrap();
        assert_eq!((there(), store.load(&id)), ([false, true], Ok(Some(lasting))));
        // Without addresses in the disk's directory: what a version without the other one wrote.
        let old = serde_json::to_string(&state).unwrap();
        fs::write(root.path().join("var/lib/flyover/cni").join(name(&id)), old).unwrap();
        assert_eq!((store.load(&id), store.list()), (Ok(Some(state.clone())), Ok(vec![id.clone()])));
        store.save(&state).unwrap();
        assert_eq!(there(), [true, false]);
        store.remove(&id).unwrap();
        assert_eq!(there(), [false, false]);
    }
}
