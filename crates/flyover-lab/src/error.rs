//! What can go wrong with a lab, and what to do about it.

use std::io;
use std::path::PathBuf;

use flyover_host::cmd::CmdError;
use flyover_net::netlink::NetlinkError;
use flyover_net::netns::NetnsError;
use flyover_net::offload::OffloadError;
use flyover_net::sysctl::SysctlError;

use crate::name::{LabName, Place};
use crate::spec::BadSpec;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The specification cannot be built.
    #[error(transparent)]
    Spec(#[from] BadSpec),
    /// Only root may make namespaces.
    #[error("a lab needs root: it makes network namespaces")]
    NotRoot,
    /// There is a lab of that name.
    #[error("there is a lab `{0}` already")]
    Taken(LabName),
    /// There is a namespace of that name that no lab made.
    #[error("there is a network namespace `{netns}` already")]
    NetnsTaken {
        /// The lab that wants it.
        lab: LabName,
        /// The namespace.
        netns: String,
    },
    /// A namespace has the name of one of the lab's, but the lab did not make it.
    #[error("the network namespace `{netns}` is not of a lab: it was left alone")]
    Foreign {
        /// The namespace.
        netns: String,
    },
    /// There is no such lab.
    #[error("there is no lab `{0}`")]
    Missing(LabName),
    /// The lab has no such place.
    #[error("lab `{lab}` has no {place}")]
    NoPlace {
        /// The lab.
        lab: LabName,
        /// The place.
        place: Place,
    },
    /// A tool that the rules need is not installed.
    #[error("`{tool}` is not installed")]
    MissingTool {
        /// The tool.
        tool: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// A module that the rules need could not be loaded.
    #[error("failed to load the module `{module}`")]
    Module {
        /// The module.
        module: &'static str,
        /// What the tool said.
        source: CmdError,
    },
    /// A step of the building failed.
    #[error("failed at `{step}`")]
    Step {
        /// The step, as a command.
        step: String,
        /// Why.
        source: StepError,
    },
    /// A namespace could not be reached, listed or deleted.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A namespace could not be asked what is in it.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The record of a lab could not be kept.
    #[error("failed to {verb} the record of a lab `{path}`")]
    Record {
        /// What was attempted.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tool that was to run inside did not.
    #[error(transparent)]
    Cmd(#[from] CmdError),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Namespace.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// Device, address, route, neighbour.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Setting.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Offloads.
    #[error(transparent)]
    Offload(#[from] OffloadError),
    /// Rules.
    #[error(transparent)]
    Cmd(#[from] CmdError),
}

impl LabError {
    /// Whether this machine cannot do it, whoever asks and however.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        matches!(
            self,
            Self::MissingTool { .. }
                | Self::Module { .. }
                | Self::Step {
                    source: StepError::Netlink(NetlinkError::NoSuchKind { .. })
                        | StepError::Sysctl(SysctlError::Missing { .. }),
                    ..
                }
        )
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotRoot => "run it with sudo".to_owned(),
            Self::Taken(name) => {
                format!("choose another --name, or remove it: flyover lab down --name {name}")
            }
            Self::NetnsTaken { lab, netns } => format!(
                "choose another --name; a half-made lab is removed by: flyover lab down --name {lab}, any other \
                 namespace by: ip netns delete {netns}"
            ),
            Self::Foreign { netns } => format!("if nobody needs it: ip netns delete {netns}"),
            Self::Missing(_) => "`flyover lab status` names the labs there are".to_owned(),
            Self::NoPlace { .. } => "`flyover lab status` names its nodes and pods".to_owned(),
            Self::MissingTool { package, .. } => {
                format!("install it (Debian: apt install {package}), or choose other --rules")
            }
            Self::Module { module, .. } => {
                format!("boot a kernel that has {module}, or choose --rules none; nothing was left behind")
            }
            Self::Step { source: StepError::Netlink(NetlinkError::NoSuchKind { kind, .. }), .. } => format!(
                "load the module (modprobe {}) or choose another --overlay; nothing was left behind",
                kind.to_lowercase()
            ),
            Self::Step { source: StepError::Sysctl(SysctlError::Missing { key }), .. }
                if key.starts_with("net.bridge.") =>
            {
                "modprobe br_netfilter, or choose --rules none; nothing was left behind".to_owned()
            }
            Self::Record { verb: "read", .. } => {
                "`flyover lab down` removes the lab without reading it".to_owned()
            }
            _ => return None,
        })
    }
}
