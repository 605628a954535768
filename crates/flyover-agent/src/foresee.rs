//! What a spec would take on this node: asked in the agent's pod by `kubectl flyover plan`.
//!
//! Invariant: looking changes nothing, and the agent that runs beside it notices nothing of it.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::IpAddr;

use anyhow::Context as _;
use clap::Args;
use flyover_api::resource::{Foresight, Lane, Wanted};
use flyover_host::node::Node;
use flyover_host::root::HostRoot;

use crate::cni::Plugin;
use crate::devices::Offer;
use crate::lane::{FastPathLane, Look, ProfileLane, Runner, Sight, SwitchLane};
use crate::pods::Chooser;

/// More than any spec has.
const MOST: u64 = 1 << 20;

/// `flyover-agent foresee`.
#[derive(Debug, Args)]
pub(crate) struct Foresee {
    /// The kind of the resource; its spec, without the placement, is one line of JSON on standard input.
    #[arg(long, value_parser = lane)]
    kind: Lane,
    /// The resource's name.
    #[arg(long)]
    name: String,
}

fn lane(kind: &str) -> Result<Lane, String> {
    Lane::of_kind(kind).ok_or_else(|| "NodeProfile, FastPath and Switch can be foreseen".to_owned())
}

impl Foresee {
    pub(crate) fn print(
        &self,
        host: &HostRoot,
        host_ip: Option<IpAddr>,
        plugin: Option<Plugin>,
    ) -> anyhow::Result<()> {
        let mut line = String::new();
        std::io::stdin().lock().take(MOST).read_line(&mut line).context("failed to read the spec")?;
        let spec = serde_json::from_str(&line).context("the spec is no JSON")?;
        let wanted = Wanted { from: self.name.clone(), generation: 0, hash: String::new(), spec };
        let foresight = told(runner(self.kind, host, host_ip, plugin).look(&wanted))?;
        serde_json::to_writer(std::io::stdout(), &foresight)?;
        Ok(std::io::stdout().flush()?)
    }
}

/// The lane, of which nobody hears what it says to others.
fn runner(lane: Lane, host: &HostRoot, host_ip: Option<IpAddr>, plugin: Option<Plugin>) -> Box<dyn Runner> {
    match lane {
        Lane::Profile => Box::new(ProfileLane::of(Node::of(host.clone(), Vec::new()))),
        Lane::FastPath => Box::new(FastPathLane::new(host.root(), host_ip, &Chooser::unheard())),
        Lane::Switch => Box::new(SwitchLane::new(host.clone(), plugin, Offer::new())),
    }
}

fn told(look: Look) -> anyhow::Result<Foresight> {
    match look {
        Look::Seen(Sight { plan, needs, notes, .. }) => Ok(Foresight::Fits { plan, needs, notes }),
        Look::Refused { why, impossible } => Ok(Foresight::Refused { why, impossible }),
        Look::Blind(why) => Err(anyhow::anyhow!(why)),
    }
}
