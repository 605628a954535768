//! What the verbs take: a profile, a host; and how refusals are told.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use flyover_api::NodeProfileSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{Refusal, RefusalKind, UnitName};
use flyover_host::facts::{Inspection, inspect};
use flyover_host::live::Live;
use flyover_host::node::{Node, NodeError};
use flyover_host::root::HostRoot;
use flyover_host::tree::HostTree;

use super::Which;
use crate::cli::fault::{self, Exit, Fault};

/// A profile.
#[derive(Debug, Args)]
pub(super) struct Profile {
    /// The profile: YAML, the bare spec or a whole `NodeProfile`; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: PathBuf,
}

impl Profile {
    pub(super) fn read(&self) -> anyhow::Result<NodeProfileSpec> {
        read_profile(&self.file)
    }
}

/// A file's text; `-` is standard input.
pub(crate) fn read_text(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.with_context(|| {
        Fault::new(Exit::Usage, format!("failed to read `{}`", file.display()))
            .hint("name a file, or - for standard input")
    })?;
    Ok(text)
}

pub(super) fn read_profile(file: &Path) -> anyhow::Result<NodeProfileSpec> {
    let name = file.display();
    let text = read_text(file)?;
    NodeProfileSpec::from_yaml(&text).map_err(|bad| {
        let hint = bad.hint().unwrap_or_else(|| "`flyover node explain` lists every field".to_owned());
        anyhow::Error::new(bad)
            .context(Fault::new(Exit::Usage, format!("`{name}` is not a profile")).hint(hint))
    })
}

impl Which {
    /// What the host is, with units that somebody asks for besides the well-known ones.
    pub(crate) fn facts(&self, units: Vec<UnitName>) -> anyhow::Result<HostFacts> {
        let host = self.host()?;
        let asked = Inspection { ssh_peers: host.ssh_peers.clone(), units };
        inspect(&host.root, &asked).context("failed to read this host")
    }

    /// The host to read: this machine, or a captured one unpacked in a directory that goes with the guard.
    pub(super) fn host(&self) -> anyhow::Result<Host> {
        let Some(file) = &self.host else { return Ok(Host::here()) };
        let name = file.display();
        let bad = || {
            Fault::new(Exit::Usage, format!("`{name}` is not a captured host"))
                .hint("write one with `flyover node capture`")
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| Fault::new(Exit::Usage, format!("failed to read `{name}`")))?;
        let tree: HostTree = text.parse().with_context(bad)?;
        let dir = tempfile::tempdir().context("failed to make a directory for the captured host")?;
        let root = tree.unpack(dir.path()).with_context(bad)?;
        Ok(Host { root, ssh_peers: Vec::new(), _unpacked: Some(dir) })
    }
}

/// A host and what keeps it there.
pub(super) struct Host {
    root: HostRoot,
    ssh_peers: Vec<IpAddr>,
    _unpacked: Option<tempfile::TempDir>,
}

impl Host {
    /// This machine.
    pub(super) fn here() -> Self {
        Self { root: Live::host(), ssh_peers: ssh_peers(), _unpacked: None }
    }

    pub(super) fn node(&self) -> Node {
        Node::of(self.root.clone(), self.ssh_peers.clone())
    }
}

/// Who is on the other end of the SSH session this runs in. sudo keeps the variable only if it is told to; the
/// facts look at the sockets besides.
pub(super) fn ssh_peers() -> Vec<IpAddr> {
    let peer = |name: &str| std::env::var(name).ok()?.split(' ').next()?.parse().ok();
    ["SSH_CONNECTION", "SSH_CLIENT"].into_iter().filter_map(peer).collect()
}

/// Says why a node cannot be prepared, each reason with its hint.
pub(super) fn told(error: NodeError) -> anyhow::Error {
    match error {
        NodeError::Refused(refusals) => refused(refusals),
        other => other.into(),
    }
}

/// Says each refusal but the last, which is the error.
pub(crate) fn refused(mut refusals: Vec<Refusal>) -> anyhow::Error {
    // What the user can mend in the profile alone comes last, where it is seen.
    refusals.sort_by_key(|refusal| refusal.kind == RefusalKind::Invalid);
    let last = refusals.pop();
    for refusal in refusals {
        fault::say(&fault_of(&refusal).into());
    }
    last.map_or_else(|| anyhow::anyhow!("it was refused"), |last| fault_of(&last).into())
}

fn fault_of(refusal: &Refusal) -> Fault {
    let exit = match refusal.kind {
        RefusalKind::Invalid => Exit::Usage,
        RefusalKind::Impossible => Exit::Impossible,
    };
    let fault = Fault::new(exit, refusal.to_string());
    match &refusal.hint {
        Some(hint) => fault.hint(format!("{hint}; nothing was changed")),
        None => fault.hint("nothing was changed"),
    }
}
