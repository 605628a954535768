//! What can be done to a host, as data.
//!
//! An action names a subject and the state it is to have. What is found before acting is the same action with the
//! state found, so **an undo is an action too**: applying what was found puts the subject back. A lane adds
//! a variant here and a hand for it in flyover-host; nothing else of the spine changes.
//!
//! Invariant: an action holds everything its execution needs; it is written to the journal and executed after a
//! crash by a process that knows nothing else.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::facts::{Enablement, Loader};
use crate::{
    ArgEdit, Bytes, DriverName, FileMode, HostPath, HugepageSize, IfName, ModuleName, NumaNode, OvsBridge,
    OvsDaemons, OvsOption, OvsPort, OvsRestart, PciAddr, SysctlKey, UnitName,
};

/// One subject and the state it is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Hugepages of a running kernel.
    Hugepages(Hugepages),
    /// A file, whole.
    File(FileAt),
    /// A mount, on hosts where systemd does not mount.
    Mount(MountAt),
    /// A sysctl of the running kernel.
    Sysctl(Sysctl),
    /// A kernel module.
    Module(Module),
    /// Which driver has a PCI function.
    Driver(DriverOf),
    /// A unit of systemd.
    Unit(UnitState),
    /// The kernel's command line at the next boot.
    BootArgs(BootArgs),
    /// The daemons of a switch that Flyover keeps itself.
    OvsDaemons(OvsDaemons),
    /// One option of a switch.
    OvsOption(OvsOption),
    /// That a switch was started with its options.
    OvsRestart(OvsRestart),
    /// A bridge of a switch.
    OvsBridge(OvsBridge),
    /// A port of a switch.
    OvsPort(OvsPort),
    /// A reboot. It has no undo.
    Reboot(Reboot),
}

/// How many hugepages of one size a NUMA node, or the whole host, has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hugepages {
    /// Which pages.
    pub size: HugepageSize,
    /// Where; none is the whole host, over whose nodes the kernel spreads them.
    pub node: Option<NumaNode>,
    /// How many.
    pub count: u64,
}

/// A file at a path, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAt {
    /// Where.
    pub path: HostPath,
    /// What; none is absence.
    pub file: Option<FileState>,
    /// Directories above it that were not there when it was found absent, the deepest first. They go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirs: Vec<HostPath>,
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// What it holds.
    pub content: Bytes,
    /// Its permissions.
    pub mode: FileMode,
    /// Its owner.
    #[serde(default)]
    pub uid: u32,
    /// Its group.
    #[serde(default)]
    pub gid: u32,
}

/// A mount at a path, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountAt {
    /// Where.
    pub path: HostPath,
    /// Options of a hugetlbfs (`pagesize=1G,mode=0770`); none is absence.
    pub options: Option<String>,
    /// Directories of its path that were not there when it was found absent, the deepest first. They go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirs: Vec<HostPath>,
}

/// A sysctl of the running kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Which.
    pub key: SysctlKey,
    /// Its value, blanks between numbers as single blanks.
    pub value: String,
}

/// A kernel module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Which.
    pub name: ModuleName,
    /// Whether it is in the kernel.
    pub loaded: bool,
    /// Options for loading it. Of a module that is loaded already, those change that the kernel lets change.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Which driver has a PCI function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverOf {
    /// Which function.
    pub device: PciAddr,
    /// The driver that is to have it; none leaves it without one.
    pub driver: Option<DriverName>,
    /// `driver_override`: the only driver that may have it.
    pub forced: Option<DriverName>,
    /// Network devices that the function had or is to have again, and whether they were up.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A network device of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub name: IfName,
    /// Whether it is administratively up.
    pub up: bool,
}

/// A unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Its own name, never an alias.
    pub unit: UnitName,
    /// Whether it starts at boot.
    pub enablement: Enablement,
    /// Whether it runs.
    pub active: bool,
    /// The links that enable it, as they were found: no word of systemd's tells them, and a mask hides them.
    /// None leaves them to systemctl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<UnitLink>>,
    /// Directories that were not there when a unit of a mount was found stopped, the deepest first: systemd makes its
    /// mount point and leaves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirs: Vec<HostPath>,
}

/// A link in `/etc/systemd/system` that names a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLink {
    /// Where it is.
    pub path: HostPath,
    /// What it names, as it is written in it.
    pub target: String,
}

/// The kernel's command line at the next boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootArgs {
    /// What writes it.
    pub loader: Loader,
    /// What it is to be.
    pub state: BootState,
}

/// What the configuration of a boot loader is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootState {
    /// Every entry has these arguments, and not those.
    Edited(ArgEdit),
    /// These files, byte for byte: what was found.
    Files(Vec<FileAt>),
}

/// A reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboot {
    /// What it is for.
    pub why: String,
}

/// What an action is about: two actions with the same subject set the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Action {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject(match self {
            Self::Hugepages(Hugepages { size, node: Some(node), .. }) => {
                format!("hugepages {size} node{node}")
            }
            Self::Hugepages(Hugepages { size, node: None, .. }) => format!("hugepages {size}"),
            Self::File(file) => format!("file {}", file.path),
            Self::Mount(mount) => format!("mount {}", mount.path),
            Self::Sysctl(sysctl) => format!("sysctl {}", sysctl.key),
            Self::Module(module) => format!("module {}", module.name),
            Self::Driver(driver) => format!("driver {}", driver.device),
            Self::Unit(unit) => format!("unit {}", unit.unit),
            Self::BootArgs(_) => "kernel arguments".to_owned(),
            Self::OvsDaemons(daemons) => format!("daemons of {}", daemons.switch.rundir),
            Self::OvsOption(option) => format!("option {} of {}", option.key, option.switch.rundir),
            Self::OvsRestart(restart) => format!("start options of {}", restart.switch.rundir),
            Self::OvsBridge(bridge) => format!("bridge {} of {}", bridge.name, bridge.switch.rundir),
            Self::OvsPort(port) => format!("port {} of {}", port.name, port.switch.rundir),
            Self::Reboot(_) => "reboot".to_owned(),
        })
    }
}

impl Action {
    /// Whether two observations of one subject show the same state. What only undoing needs to know, such as which
    /// directories were missing, makes no difference.
    #[must_use]
    pub fn same_state(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => same_file(one, other),
            (Self::Driver(one), Self::Driver(other)) => {
                (one.device, &one.driver, &one.forced) == (other.device, &other.driver, &other.forced)
            }
            (Self::Mount(one), Self::Mount(other)) => {
                (&one.path, &one.options) == (&other.path, &other.options)
            }
            (Self::Unit(one), Self::Unit(other)) => {
                (&one.unit, &one.enablement, one.active) == (&other.unit, &other.enablement, other.active)
            }
            (Self::OvsDaemons(one), Self::OvsDaemons(other)) => {
                (&one.switch, one.running) == (&other.switch, other.running)
            }
            (Self::BootArgs(one), Self::BootArgs(other)) => match (&one.state, &other.state) {
                (BootState::Files(one), BootState::Files(other)) => {
                    one.len() == other.len()
                        && one.iter().zip(other).all(|(one, other)| same_file(one, other))
                }
                (one, other) => one == other,
            },
            _ => self == other,
        }
    }

    /// Whether what was left is still so, or is what a boot makes of it: a unit that is enabled runs after one, or
    /// fails, daemons that nobody else starts do not run, and nobody changed them by that.
    #[must_use]
    pub fn stays(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::Unit(left), Self::Unit(now)) if left.enablement == Enablement::Enabled => {
                (&left.unit, &left.enablement) == (&now.unit, &now.enablement)
            }
            (Self::OvsDaemons(left), Self::OvsDaemons(now)) if left.running => left.switch == now.switch,
            _ => self.same_state(now),
        }
    }
}

fn same_file(one: &FileAt, other: &FileAt) -> bool {
    (&one.path, &one.file) == (&other.path, &other.file)
}
