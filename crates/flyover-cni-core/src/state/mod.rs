//! What is known of an attachment: one file each, written before anything is changed and removed last.
//!
//! Invariants: a file is replaced whole, and what is to be made is written before it is made; only root reads them; what
//! stands in one is enough to undo the attachment without network, pod or runtime; two processes never work on the same
//! one; a state that would be missed after the power was cut is on a disk, and [`Store`] says which that is.

mod file;
mod lock;
mod store;

use std::path::PathBuf;

use flyover_core::OvsName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use lock::{LOCKS, Lock};
pub use store::{Found, Store};

use crate::files::Inode;
use crate::names::{Attachment, AttachmentId, PluginName};
use crate::netconf::Wish;
use crate::request::Pod;

/// The form of the file.
pub const SCHEMA: u32 = 1;

/// How far an attachment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// ADD began; any part of it may be there.
    Adding,
    /// ADD ended well.
    Attached,
    /// DEL began; any part of it may be gone.
    Deleting,
}

/// What is known of an attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Who is attached to what.
    pub attachment: Attachment,
    /// How far.
    pub phase: Phase,
    /// When ADD began, in seconds since 1970.
    pub began: u64,
    /// In which start of the machine; no container outlives one.
    #[serde(default)]
    pub boot: Option<String>,
    /// The container's network namespace.
    pub netns: Option<PathBuf>,
    /// The pod.
    pub pod: Option<Pod>,
    /// Where in the switch; none when only the runtime's names are known.
    pub port: Option<Port>,
    /// The database of the switch.
    pub database: PathBuf,
    /// The sockets.
    pub sockets: Sockets,
    /// Who gave addresses.
    pub ipam: Option<Ipam>,
    /// The file that tells the runtime of the device, if we wrote it: its path below the node's directory.
    pub device_info: Option<PathBuf>,
    /// What ADD answered, in the newest version.
    pub result: Option<Value>,
    /// What the pod's annotations are to say; `flyover switch run` writes them.
    pub publish: Option<Value>,
}

/// A port of the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: OvsName,
    /// What it was asked to be.
    pub wish: Wish,
    /// The socket that the switch connects to.
    pub server_path: PathBuf,
}

/// The sockets of an attachment, and what they lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sockets {
    /// Below it the attachments have their directories.
    pub root: PathBuf,
    /// The name of the socket.
    pub file: Option<OvsName>,
    /// The directory that the pod finds its socket in, where it is not our own.
    pub source: Option<Source>,
    /// The directory as it was made, or as what was mounted on it.
    pub inode: Option<Inode>,
    /// The group of the directories.
    pub group: u32,
    /// The process between the pod and the switch, where the host serves.
    pub broker: Option<Broker>,
}

/// A directory of others that ours is a view of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An emptyDir volume: what lies below the kubelet's directory.
    Volume {
        /// The kubelet's directory.
        kubelet: PathBuf,
        /// Below it.
        path: PathBuf,
    },
    /// A directory of the container's own, below one that the node allows.
    Shared {
        /// The one that the node allows: below it, links are not followed.
        #[serde(default)]
        prefix: Option<PathBuf>,
        /// That one, or one below it.
        base: PathBuf,
        /// The container's.
        name: OvsName,
    },
}

impl Source {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Volume { kubelet, path } => kubelet.join(path),
            Self::Shared { base, name, .. } => base.join(name.as_str()),
        }
    }
}

/// A process between the pod and the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// The program it is: the plugin that did ADD, whoever starts it again.
    pub program: PathBuf,
    /// Its number, once it runs.
    pub pid: Option<u32>,
    /// When it was started, in the kernel's ticks; a number alone may be somebody else's by now.
    pub started: Option<u64>,
    /// The socket it made for the pod.
    pub socket: Option<Inode>,
}

/// Who gave addresses, and how to ask for them to be taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ipam {
    /// The plugin.
    pub plugin: PluginName,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
    /// `CNI_ARGS` as they were.
    pub args: String,
    /// The network's configuration as it was.
    pub configuration: Value,
    /// Whether it answered ADD with an error, and so gave nothing.
    #[serde(default)]
    pub refused: bool,
}

impl Ipam {
    /// Looks for plugins elsewhere too, after where it looked before.
    pub fn look_in(&mut self, path: &[PathBuf]) {
        let more = path.iter().filter(|dir| !self.path.contains(dir)).cloned().collect::<Vec<_>>();
        self.path.extend(more);
    }
}

impl State {
    /// The short name.
    #[must_use]
    pub fn id(&self) -> AttachmentId {
        self.attachment.id()
    }

    /// Whether it leaves something on a disk that nobody but this state can tell to be ours.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.ipam.is_some() || matches!(self.sockets.source, Some(Source::Shared { .. }))
    }

    /// Whether it says no more than that a DEL could not ask the switch.
    #[must_use]
    pub(crate) fn is_debt(&self) -> bool {
        self.phase == Phase::Deleting && self.port.is_none() && self.ipam.is_none()
    }

    /// Whether the machine was started again since: then the container is gone, whoever still speaks of it.
    #[must_use]
    pub fn is_of_another_boot(&self) -> bool {
        is_another_boot(self.boot.as_deref())
    }
}

/// Which start of the machine this is.
#[must_use]
pub fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Whether something is known to be of another start of the machine than this one.
#[must_use]
pub fn is_another_boot(of: Option<&str>) -> bool {
    of.is_some_and(|of| boot().is_some_and(|now| now != of))
}

impl Sockets {
    /// The place where the socket lies for the pod, as text that no other place has; none in a directory of its own.
    pub(crate) fn place(&self) -> Option<String> {
        let (source, file) = (self.source.as_ref()?, self.file.as_ref()?);
        Some(format!("{}\0{file}", source.path().display()))
    }

    /// The attachment's own directory: who may enter it may come to its sockets.
    #[must_use]
    pub fn cell(&self, id: &AttachmentId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// The directory that the pod's socket lies in: the attachment's own, or one in it that is a view of the pod's.
    #[must_use]
    pub fn front(&self, id: &AttachmentId) -> PathBuf {
        let cell = self.cell(id);
        if self.source.is_some() { cell.join(VIEW) } else { cell }
    }

    /// The directory that the switch's socket lies in, where there is a broker.
    #[must_use]
    pub fn back(&self, id: &AttachmentId) -> PathBuf {
        self.root.join(back(id))
    }
}

/// The name of the directory that is a view of the pod's. The pod's lets in whom the pod wants, so it lies within one that
/// does not.
pub const VIEW: &str = "v";

/// The name of the directory between a broker and the switch.
#[must_use]
pub fn back(id: &AttachmentId) -> String {
    format!("{id}.back")
}
