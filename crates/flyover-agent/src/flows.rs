//! Which conversations of a pod are bypassed at this moment: asked in the agent's pod by `kubectl flyover explain pod`.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use flyover_fastpath::{Books, Instance, Report, view};
use flyover_net::conntrack;

use crate::lane::FASTPATH_INSTANCE;

/// Conversations that are told one by one.
const MOST: usize = 100;

/// `flyover-agent flows`.
#[derive(Debug, Args)]
pub(crate) struct Flows {
    /// An address of the pod; all of them are its.
    #[arg(long = "address", value_name = "ADDRESS", required = true)]
    addresses: Vec<IpAddr>,
}

impl Flows {
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let instance = Instance::new(Path::new("/"), FASTPATH_INSTANCE)?;
        let report = Report::read(&instance).context("nothing is bypassed on this node")?;
        anyhow::ensure!(report.backend == "ebpf", "the {} back end keeps no books of flows", report.backend);
        let books = Books::open(&instance)?;
        // Where nothing is tracked, the books are all there is.
        let tracked = if report.conntrack.in_use { conntrack::flows()? } else { Vec::new() };
        let addresses = self.addresses.iter().copied().collect();
        let flows = view::why_address(&report, &books, &addresses, &tracked, MOST)?;
        serde_json::to_writer(std::io::stdout(), &flows)?;
        Ok(std::io::stdout().flush()?)
    }
}
